package eventstore_test

// contentEvent is the family of events that the tests of this package use.
type contentEvent interface{ contentEvent() }

type contentUploaded struct {
	Title string `json:"title"`
	Words int    `json:"words"`
}

type contentPublished struct {
	By string `json:"by"`
}

type contentArchived struct{}

func (contentUploaded) contentEvent()  {}
func (contentPublished) contentEvent() {}
func (contentArchived) contentEvent()  {}
