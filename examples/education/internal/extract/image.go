package extract

import (
	"image"
	"image/jpeg"
	"image/png"
	"io"
)

// maxSide is larger than any camera or scanner makes, and what the JPEG format
// can hold.
const maxSide = 65_535

// imageSize reads the head of a picture; the picture itself is never decoded.
func imageSize(kind Kind, r io.Reader) (width, height int, err error) {
	decode := png.DecodeConfig
	if kind == JPEG {
		decode = jpeg.DecodeConfig
	}
	var config image.Config
	if config, err = decode(r); err != nil {
		return 0, 0, rejectf("it is a damaged %s file: %v", kind.Label(), err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxSide || config.Height > maxSide {
		return 0, 0, rejectf("it is a %s file of %d x %d pixels: the limit is %d each way",
			kind.Label(), config.Width, config.Height, maxSide)
	}
	return config.Width, config.Height, nil
}
