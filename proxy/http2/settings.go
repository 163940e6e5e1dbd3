package http2

import "encoding/binary"

// Settings (RFC 9113 6.5.2).
const (
	settingHeaderTableSize      = 0x1
	settingEnablePush           = 0x2
	settingMaxConcurrentStreams = 0x3
	settingInitialWindowSize    = 0x4
	settingMaxFrameSize         = 0x5
)

const settingSize = 6 // bytes of one

// appendSettings appends ours.
func appendSettings(dst []byte, streams, window int) []byte {
	dst = appendFrameHeader(dst, 2*settingSize, frameSettings, 0, 0)
	dst = appendSetting(dst, settingMaxConcurrentStreams, uint32(streams))
	return appendSetting(dst, settingInitialWindowSize, uint32(window))
}

func appendSetting(dst []byte, id uint16, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, id), v)
}

func (c *Conn) takeSettings(f *frame) error {
	p := f.payload
	switch {
	case f.stream != 0:
		return errStreamGiven
	case f.has(flagAck) && len(p) > 0, len(p)%settingSize != 0:
		return errFrameSize
	case f.has(flagAck):
		return c.charge(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.pay(&c.control, settingsCost); err != nil {
		return err
	}
	for ; len(p) > 0; p = p[settingSize:] {
		if err := c.applySetting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	c.out = appendFrameHeader(c.out, 0, frameSettings, flagAck, 0)
	c.wake()
	if !c.greeted {
		c.greeted = true
		return c.setUntil(c.idle.Add(min(c.cfg.IdleTimeout, parkAfter)))
	}
	return nil
}

// applySetting applies one setting of the client. The frames that we send are of
// the size that everybody takes, and there is no push.
func (c *Conn) applySetting(id uint16, v uint32) error {
	switch id {
	case settingHeaderTableSize:
		c.noTable = true // RFC 7541 4.2: a table that may have shrunk is said to be empty
	case settingEnablePush:
		if v > 1 {
			return protocolError("ENABLE_PUSH is neither 0 nor 1")
		}
	case settingInitialWindowSize:
		return c.setInitial(v)
	case settingMaxFrameSize:
		if v < maxFrame || v > 1<<24-1 {
			return protocolError("MAX_FRAME_SIZE out of range")
		}
	}
	return nil
}

// setInitial changes the window of every stream. They hold theirs relative to it,
// so that only those that wait are touched.
func (c *Conn) setInitial(v uint32) error {
	if v > maxWindow {
		return &connError{FlowControlError, "INITIAL_WINDOW_SIZE too large"}
	}
	c.initial = int64(v)
	for _, s := range c.streams {
		if c.initial+s.window > maxWindow {
			return &connError{FlowControlError, "window of a stream too large"}
		}
		if s.waits {
			signal(s.room)
		}
	}
	return nil
}
