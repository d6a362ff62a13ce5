// Package extract reads what a document says: its title, headings and words,
// the size of a picture, the length of a recording.
//
//	document, err := extract.Read("lesson.md", file, extract.Limits{})
//	var rejected *extract.RejectedError
//	if errors.As(err, &rejected) {
//		fmt.Println(rejected.Reason) // "it is empty"
//	}
//
// Every file is a stranger's. The time and memory that one may cost are bounded
// by [Limits] and grow with its length only: what would make a parser slow, such
// as a hundred thousand nested quotes, is read as lines of text instead.
package extract
