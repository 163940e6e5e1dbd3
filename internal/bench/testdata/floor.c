// What a proxy costs at least: bytes are passed on as they come, without a look at them, by the four system calls that a
// request takes. No head is parsed or written, nothing is logged, counted, timed or bounded, and an idle connection to the
// app is not looked at before it is used again. It is a yardstick, and no proxy to be used.
//
//   cc -O2 -pthread -o floor floor.c && ./floor PORT SOCKET
//
// Two threads, one epoll each, listen on 127.0.0.1:PORT and pass requests to the unix socket SOCKET.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum kind { LISTENER, CLIENT, APP };
struct conn { int fd; enum kind kind; struct conn *other; int once; };

static int listener;
static const char *path;

static void watch(int ep, struct conn *c) {
  struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

static struct conn *new_conn(int fd, enum kind kind) {
  struct conn *c = calloc(1, sizeof *c);
  c->fd = fd, c->kind = kind;
  return c;
}

static struct conn *dial(int ep) {
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  strncpy(a.sun_path, path, sizeof a.sun_path - 1);
  struct conn *c = new_conn(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), APP);
  if (connect(c->fd, (void *)&a, sizeof a)) perror("connect");
  watch(ep, c);
  return c;
}

static struct conn *idle[4096];
static __thread struct conn **top;

static void *loop(void *slots) {
  static __thread char buf[65536];
  struct epoll_event events[256];
  struct conn self = { .fd = listener, .kind = LISTENER };
  struct conn **bottom = slots;
  int ep = epoll_create1(0);
  top = bottom;
  watch(ep, &self);
  for (;;) {
    int n = epoll_wait(ep, events, 256, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      int r = 0, fd = -1;
      do { // more than once for the listener only
        if (c->kind == LISTENER) {
          if ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0) break;
          c = new_conn(fd, CLIENT);
          if ((r = recv(fd, buf, sizeof buf - 1, 0)) > 0) {
            buf[r] = 0;
            c->once = memmem(buf, r, "Connection: close", 17) != NULL;
          }
          if (!c->once) watch(ep, c); // one that outlives its first request
        } else {
          r = recv(c->fd, buf, sizeof buf - 1, 0);
        }
        if (c->kind == CLIENT && r > 0) {
          struct conn *app = top > bottom ? *--top : dial(ep);
          char *close_ = c->once ? memmem(buf, r, "Connection: close", 17) : NULL;
          if (close_) *close_ = 'X'; // the app keeps its connection
          app->other = c, c->other = app;
          send(app->fd, buf, r, MSG_NOSIGNAL);
        } else if (c->kind == CLIENT && (r == 0 || errno != EAGAIN)) {
          if (close(c->fd) == 0 && !c->other) free(c);
        } else if (c->kind == APP && r > 0 && c->other) {
          struct conn *client = c->other;
          client->other = c->other = NULL;
          *top++ = c;
          send(client->fd, buf, r, MSG_NOSIGNAL);
          if (client->once) close(client->fd), free(client);
        }
        if (fd >= 0) c = &self;
      } while (fd >= 0);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: floor PORT SOCKET\n"), 2;
  int on = 1;
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr = { htonl(INADDR_LOOPBACK) } };
  path = argv[2];
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(listener, (void *)&a, sizeof a) || listen(listener, 4096)) return perror("listen"), 1;
  pthread_t t;
  pthread_create(&t, NULL, loop, idle);
  loop(idle + 2048);
}
