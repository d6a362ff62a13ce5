package extract

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"time"
)

// isRIFF tells whether a file is in the Resource Interchange File Format, or
// RF64, which is the same for more than 4 GiB (EBU Tech 3306).
func isRIFF(id []byte) bool { return string(id) == "RIFF" || string(id) == "RF64" }

// unknownSize stands in a header that was written before the size was known, as
// programs do that write to a pipe, and in RF64.
const unknownSize = math.MaxUint32

// wavDuration reads a recording's length from its header: the bytes of sound
// divided by the bytes per second. A recording that was cut off is as long as
// what is left of it.
func wavDuration(r io.Reader) (time.Duration, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, wavError(err, "before its header ends")
	}
	if !isRIFF(head[:4]) || string(head[8:]) != "WAVE" {
		return 0, rejectf("it is not a WAV file")
	}
	rate, sound := uint32(0), int64(-1)
	for rate == 0 || sound < 0 {
		var chunk [8]byte
		_, err := io.ReadFull(r, chunk[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if rate == 0 {
				return 0, rejectf("it is a damaged WAV file: it does not say its format")
			}
			return 0, rejectf("it is a damaged WAV file: it has no sound")
		}
		if err != nil {
			return 0, wavError(err, "")
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			var skip int64
			if rate, skip, err = wavFormat(r, size); err != nil {
				return 0, err
			}
			if _, err := io.CopyN(io.Discard, r, skip); err != nil && !errors.Is(err, io.EOF) {
				return 0, wavError(err, "")
			}
		case "data":
			if size == unknownSize {
				size = math.MaxInt64
			}
			if sound, err = io.CopyN(io.Discard, r, size); err != nil && !errors.Is(err, io.EOF) {
				return 0, wavError(err, "")
			}
			skipPadding(r, size)
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil && !errors.Is(err, io.EOF) {
				return 0, wavError(err, "")
			}
		}
	}
	return soundLength(uint64(sound), rate)
}

// wavFormat reads the part of a format chunk that all formats share, the
// extensible one too, and returns the bytes per second and how many bytes of
// the chunk are left.
func wavFormat(r io.Reader, size int64) (rate uint32, left int64, err error) {
	var format [16]byte
	if size < int64(len(format)) {
		return 0, 0, rejectf("it is a damaged WAV file: its format takes %d bytes, not 16 or more", size)
	}
	if _, err := io.ReadFull(r, format[:]); err != nil {
		return 0, 0, wavError(err, "in its format")
	}
	channels := binary.LittleEndian.Uint16(format[2:])
	samples := binary.LittleEndian.Uint32(format[4:])
	rate = binary.LittleEndian.Uint32(format[8:])
	block := binary.LittleEndian.Uint16(format[12:])
	switch {
	case channels == 0:
		return 0, 0, rejectf("it is a damaged WAV file: it has no channels")
	case rate == 0 && samples > 0 && block > 0:
		// Some writers leave out what follows from the other two.
		rate = uint32(min(uint64(samples)*uint64(block), math.MaxUint32))
	case rate == 0:
		return 0, 0, rejectf("it is a damaged WAV file: it has zero bytes per second")
	}
	return rate, size - int64(len(format)) + size%2, nil
}

func skipPadding(r io.Reader, size int64) {
	if size%2 == 1 && size != math.MaxInt64 {
		// What is missing is noticed by whoever reads on.
		_, _ = io.CopyN(io.Discard, r, 1)
	}
}

// soundLength returns size/rate seconds, to the nanosecond.
func soundLength(size uint64, rate uint32) (time.Duration, error) {
	high, low := bits.Mul64(size, uint64(time.Second))
	if high >= uint64(rate) {
		return 0, rejectf("it is a damaged WAV file: it would last for centuries")
	}
	length, _ := bits.Div64(high, low, uint64(rate))
	if length > math.MaxInt64 {
		return 0, rejectf("it is a damaged WAV file: it would last for centuries")
	}
	return time.Duration(length), nil
}

func wavError(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return rejectf("it is a damaged WAV file: it ends %s", where)
	}
	return err
}
