package netpoll
import ("fmt";"runtime";"golang.org/x/sys/unix";"sync";"os")
var dumpOnce sync.Once
func name(w *waiter) string { switch w { case nil: return "nil"; case ready: return "ready"; case armed: return "armed" }; return "waiter" }
func dumpAll(p *Poller) { dumpOnce.Do(func(){
 p.table.each(func(s *socket){
  fds := []unix.PollFd{{Fd:int32(s.fd), Events: unix.POLLIN|unix.POLLOUT|unix.POLLRDHUP}}
  unix.Poll(fds,0)
  in,_ := unix.IoctlGetInt(s.fd, 0x541B)
  out,_ := unix.IoctlGetInt(s.fd, unix.TIOCOUTQ)
  fmt.Fprintf(os.Stderr,"fd %d gen %d loop %p conn %v rd %s wr %s events %x flags %x poll %x in %d out %d dl %d %d use %x\n", s.fd,s.generation,s.loop,s.conn!=nil,name(s.read.state.Load()),name(s.write.state.Load()),s.events.Load(),s.flags.Load(),fds[0].Revents,in,out,s.read.deadline.Load(),s.write.deadline.Load(),s.use.Load())
 })
 for _,l := range p.loops { fds := []unix.PollFd{{Fd:int32(l.epfd), Events: unix.POLLIN}}; in:=l.in.Load(); r:=l.rounds.Load(); e:=l.evs.Load(); unix.Poll(fds,0); fmt.Fprintf(os.Stderr,"in drain %v rounds %d events %d ", in,r,e); fmt.Fprintf(os.Stderr,"loop %p epfd revents %x\n", l, fds[0].Revents) }
 b:=make([]byte,1<<20); fmt.Fprintf(os.Stderr,"%s\n", b[:runtime.Stack(b,true)])
})}
