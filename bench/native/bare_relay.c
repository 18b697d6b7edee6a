/* The yardstick of bench/media.py: what receiving and sending a datagram costs, and nothing else.
 *
 *     bare_relay HOST < targets > ports
 *
 * Says "ready", reads one line of target ports, opens a socket for each and prints their ports on
 * one line. What comes in at a socket goes out of its call's other socket, to that socket's target.
 * Runs until standard input closes, and then prints how many datagrams it has sent.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LEGS 4096
#define BATCH 256

struct leg {
    int fd;
    struct sockaddr_in target;
};

static struct leg legs[MAX_LEGS];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int open_leg(const char *host) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail(host);
    return fd;
}

static int port_of(int fd) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail("getsockname");
    return ntohs(address.sin_port);
}

static unsigned set_up(const char *host) {
    static char line[MAX_LEGS * 8];
    unsigned count = 0;
    if (!fgets(line, sizeof line, stdin))
        fail("targets");
    for (char *word = strtok(line, " \n"); word && count < MAX_LEGS; word = strtok(NULL, " \n")) {
        struct leg *leg = &legs[count++];
        leg->fd = open_leg(host);
        leg->target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(word))};
        inet_pton(AF_INET, host, &leg->target.sin_addr);
        printf("%d ", port_of(leg->fd));
    }
    printf("\n");
    fflush(stdout);
    return count;
}

/* Read everything that waits at one leg; as many as are sent are returned. */
static unsigned long relay(unsigned index) {
    static unsigned char datagram[2048];
    const struct leg *other = &legs[index ^ 1];
    unsigned long sent = 0;
    for (;;) {
        ssize_t length = recvfrom(legs[index].fd, datagram, sizeof datagram, 0, NULL, NULL);
        if (length < 0)
            return sent;
        if (sendto(other->fd, datagram, (size_t)length, 0, (struct sockaddr *)&other->target,
                   sizeof other->target) == length)
            sent++;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s HOST < targets\n", argv[0]);
        return 2;
    }
    puts("ready");
    fflush(stdout);
    unsigned count = set_up(argv[1]);
    unsigned long sent = 0;
    int poll_fd = epoll_create1(0);
    for (unsigned index = 0; index <= count; index++) {
        int fd = index < count ? legs[index].fd : STDIN_FILENO;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
    }
    for (;;) {
        struct epoll_event ready[BATCH];
        int found = epoll_wait(poll_fd, ready, BATCH, -1);
        for (int i = 0; i < found; i++) {
            if (ready[i].data.u32 == count) {
                printf("%lu\n", sent);
                return 0;
            }
            sent += relay(ready[i].data.u32);
        }
    }
}
