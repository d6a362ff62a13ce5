package content_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/parlance-go/parlance/cqrs"
	"github.com/parlance-go/parlance/eventstore"
	"github.com/parlance-go/parlance/examples/education/internal/content"
	"github.com/parlance-go/parlance/internal/assert"
)

// lives are the events that lead to each status.
var lives = map[content.Status][]content.Event{
	content.Draft:      nil,
	content.Uploaded:   {content.ContentUploaded{}},
	content.Processing: {content.ContentUploaded{}, content.ContentProcessingStarted{}},
	content.Completed:  {content.ContentUploaded{}, content.ContentProcessingStarted{}, content.ContentProcessingCompleted{}},
	content.Failed:     {content.ContentUploaded{}, content.ContentProcessingStarted{}, content.ContentProcessingFailed{}},
	content.Published:  {content.ContentUploaded{}, content.ContentProcessingStarted{}, content.ContentProcessingCompleted{}, content.ContentPublished{}},
}

func fold(events []content.Event) content.Content {
	c := content.Content{Status: content.Draft}
	for _, event := range events {
		c = content.Evolve(c, event)
	}
	return c
}

// TestTransitions is the whole table: every command in every status.
func TestTransitions(t *testing.T) {
	for _, test := range []struct {
		command content.Command
		from    []content.Status
		to      content.Status
	}{
		{content.UploadContent{}, []content.Status{content.Draft}, content.Uploaded},
		{content.StartProcessing{}, []content.Status{content.Uploaded, content.Failed}, content.Processing},
		{content.CompleteProcessing{}, []content.Status{content.Processing}, content.Completed},
		{content.FailProcessing{}, []content.Status{content.Processing}, content.Failed},
		{content.Publish{}, []content.Status{content.Completed}, content.Published},
	} {
		for status, life := range lives {
			t.Run(fmt.Sprintf("%T/%s", test.command, status), func(t *testing.T) {
				before := fold(life)
				assert.Equal(t, before.Status, status)
				events, err := content.Decide(before, test.command)
				for _, from := range test.from {
					if from == status {
						assert.NoError(t, err)
						assert.Equal(t, fold(append(life[:len(life):len(life)], events...)).Status, test.to)
						return
					}
				}
				assert.ErrorIs(t, err, content.ErrTransition)
				assert.Equal(t, assert.ErrorAs[*content.TransitionError](t, err).Status, status)
				assert.Equal(t, len(events), 0)
			})
		}
	}
}

func TestUploadOnce(t *testing.T) {
	contents, err := content.NewRepository(eventstore.New(eventstore.NewMemory(), eventstore.Config{}))
	assert.NoError(t, err)
	id := content.ID("docs/a.md", "abc")
	upload := content.UploadContent{Upload: content.Upload{Title: "<b>'; DROP TABLE contents;--", FileName: "a.md"}}
	result, err := contents.Handle(t.Context(), id, upload)
	assert.NoError(t, err)
	assert.Equal(t, result.State.Title, "<b>'; DROP TABLE contents;--")

	_, err = contents.Handle(t.Context(), id, upload)
	assert.ErrorIs(t, err, content.ErrTransition)
	assert.Equal(t, err.Error(), "content: cannot upload what is uploaded already")
}

func TestID(t *testing.T) {
	assert.Equal(t, content.ID("a.md", "1"), content.ID("a.md", "1"))
	assert.NotEqual(t, content.ID("a.md", "1"), content.ID("a.md", "2"))
	assert.NotEqual(t, content.ID("a.md", "1"), content.ID("b.md", "1"))
	id := content.ID("a.md", "1")
	assert.Equal(t, content.IDOf(content.Stream(id)), id)
	assert.Equal(t, content.IDOf("other-1"), "")
	assert.Equal(t, content.IDOf("content"), "")
}

// TestLargestResultsFitIntoAnEvent: JSON may take six times the length of a
// text for it.
func TestLargestResultsFitIntoAnEvent(t *testing.T) {
	contents, err := content.NewRepository(eventstore.New(eventstore.NewMemory(), eventstore.Config{}))
	assert.NoError(t, err)
	commands := cqrs.NewCommands()
	assert.NoError(t, content.Handle(commands, contents))
	for _, each := range []string{`"`, "<", "\n", "\u2028", "a"} {
		id := content.ID("a.md", each)
		results := content.Results{Text: strings.Repeat(each, 480<<10/len(each))}
		for range 500 {
			results.Headings = append(results.Headings, content.Heading{Level: 1, Text: strings.Repeat(each, 100)})
		}
		fitting := results.Fit()
		assert.True(t, strings.HasPrefix(results.Text, fitting.Text))
		assert.Equal(t, fitting.Truncated, len(fitting.Text) < len(results.Text) || len(fitting.Headings) < 500)
		assert.True(t, len(fitting.Text) > 100<<10 && len(fitting.Headings) > 100, "far too much is cut off")
		assert.NoError(t, cqrs.Send(t.Context(), commands, content.UploadContent{ID: id}))
		assert.NoError(t, cqrs.Send(t.Context(), commands, content.StartProcessing{ID: id}))
		assert.NoError(t, cqrs.Send(t.Context(), commands, content.CompleteProcessing{ID: id, Results: fitting}), "%q", each)
		assert.NoError(t, cqrs.Send(t.Context(), commands, content.Publish{ID: id}))
	}
}
