package storetest

// groups returns all cases.
func groups() []group {
	return []group{
		modeGroup(),
		idempotencyGroup(),
		racingGroup(),
		readGroup(),
		contentGroup(),
		readAllGroup(),
		atomicGroup(),
		insideGroup(),
		overtakeGroup(),
		subscribeGroup(),
		waitGroup(),
		cancelGroup(),
		eraseGroup(),
		reopenGroup(),
		randomGroup(),
	}
}
