package proxy

import (
	"time"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// lingerRules say how a connection ends whose client may still be sending (nginx:
// lingering_close and its neighbours).
type lingerRules struct {
	off, always bool
	time        time.Duration
	timeout     time.Duration
}

// withBuffers returns s with what own sets of buffers and lingering.
func (s settings) withBuffers(own *Settings) settings {
	if own.ProxyRequestBuffering != nil {
		s.streamed = !*own.ProxyRequestBuffering
	}
	if own.ProxyBuffering != nil {
		s.buffering = *own.ProxyBuffering
	}
	if own.ProxyBufferSize != nil {
		s.answerHead = answerLimits(int(*own.ProxyBufferSize))
	}
	if own.ProxyBuffers != nil {
		s.backlog.memory = int(own.ProxyBuffers.Bytes())
	}
	if own.ProxyMaxTempFileSize != nil {
		s.backlog.file = int64(*own.ProxyMaxTempFileSize)
	}
	if own.LingeringClose != nil {
		s.linger.off, s.linger.always = *own.LingeringClose == "off", *own.LingeringClose == "always"
	}
	setDuration(&s.linger.time, own.LingeringTime)
	setDuration(&s.linger.timeout, own.LingeringTimeout)
	return s
}

// answerLimits are those of the head of an answer, of that many bytes at most.
func answerLimits(size int) http1.Limits {
	return http1.Limits{Line: size, Field: size, Total: size, Fields: maxAnswerFields}
}

// checkBuffers adds what is wrong with buffers and lingering.
func (c *compiler) checkBuffers(key string, own *Settings) {
	if own.ProxyBufferSize != nil {
		c.within(key, "proxy_buffer_size", int64(*own.ProxyBufferSize), minAnswerHead, maxAnswerHead)
	}
	if own.ProxyBuffers != nil && own.ProxyBuffers.Bytes() > maxBodyBuffer {
		c.problems.Addf(value.Join(key, "proxy_buffers"), "expected a sum of %d bytes or less, got %d", maxBodyBuffer, own.ProxyBuffers.Bytes())
	}
	if own.ProxyMaxTempFileSize != nil {
		c.atLeast(key, "proxy_max_temp_file_size", int64(*own.ProxyMaxTempFileSize), 0)
	}
	if own.LingeringClose != nil {
		switch *own.LingeringClose {
		case "on", "off", "always":
		default:
			c.problems.Addf(value.Join(key, "lingering_close"), `%q: expected "on", "off" or "always"`, *own.LingeringClose)
		}
	}
	c.above0(key, "lingering_time", own.LingeringTime)
	c.above0(key, "lingering_timeout", own.LingeringTimeout)
}

// headLimits are what a request's head may take.
func (c *compiler) headLimits(key string, cfg *Server) http1.Limits {
	first, large := int64(defaultHeaderBuffer), defaultLargeBuffers
	if cfg.ClientHeaderBuffer != nil {
		first = int64(*cfg.ClientHeaderBuffer)
		c.within(key, "client_header_buffer_size", first, 1, maxRequestHead)
	}
	if cfg.LargeHeaderBuffers != nil {
		large = *cfg.LargeHeaderBuffers
	}
	line, total := max(first, int64(large.Size)), max(first, large.Bytes())
	if total > maxRequestHead {
		c.problems.Addf(value.Join(key, "large_client_header_buffers"), "a head could have %d bytes; expected %d or less", total, maxRequestHead)
	}
	return http1.Limits{Line: int(line), Field: int(line), Total: int(total), Fields: maxHeadFields}
}
