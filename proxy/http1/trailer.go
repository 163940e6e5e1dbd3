package http1

// trailerByte takes one byte of the trailer section.
func (c *ChunkReader) trailerByte(b byte) error {
	if c.trailer++; c.trailer > maxTrailer {
		return errTrailerLong
	}
	switch c.state {
	case trailerStart:
		return c.beginTrailer(b)
	case trailerName:
		return c.nameByte(b)
	case trailerValue:
		return c.valueByte(b)
	case trailerLF:
		return c.expect(b, '\n', trailerStart, errValue) // a bare CR in a value
	default:
		return c.expect(b, '\n', chunkDone, errName)
	}
}

func (c *ChunkReader) beginTrailer(b byte) error {
	if b == '\r' {
		c.state = trailerEndLF
		return nil
	}
	if c.fields++; c.fields > maxTrailerFields {
		return errTooMany
	}
	if class[b]&isToken == 0 {
		return beginError(b)
	}
	c.state = trailerName
	return nil
}

func beginError(b byte) error {
	switch {
	case b == '\n':
		return errBareLF
	case b == ':':
		return errEmptyName
	case isBlank(b):
		return errFold
	}
	return errName
}

func (c *ChunkReader) nameByte(b byte) error {
	switch {
	case class[b]&isToken != 0:
		return nil
	case b == ':':
		c.state = trailerValue
		return nil
	case isBlank(b):
		return errBlankColon
	case b == '\r' || b == '\n':
		return errNoColon
	}
	return errName
}

func (c *ChunkReader) valueByte(b byte) error {
	switch {
	case class[b]&isText != 0:
		return nil
	case b == '\r':
		c.state = trailerLF
		return nil
	case b == '\n':
		return errBareLF
	}
	return errValue
}
