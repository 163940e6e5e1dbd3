package proxy

import "paddock/accesslog"

// TCPInfo implements accesslog.Socket.
func (c *conn) TCPInfo() (accesslog.TCPInfo, bool) {
	info, err := c.nc.TCPInfo()
	if err != nil {
		return accesslog.TCPInfo{}, false
	}
	return accesslog.TCPInfo{RTT: info.Rtt, RTTVar: info.Rttvar, SndCwnd: info.Snd_cwnd, RcvSpace: info.Rcv_space}, true
}
