/* An AudioSocket server that only reads and writes: what the sockets alone cost on this machine.
 *
 * It answers each call with a tone, one 20 ms message every 20 ms on absolute deadlines, and throws away
 * what it hears. The work on the sockets is that of any server: one epoll set, one recv for what has come,
 * one send for each message, TCP_NODELAY. Nothing is batched over calls and nothing is left out; there is
 * only no speech detection, no session, no metrics and no interpreter. A server's CPU time divided by this
 * one's is what its design costs.
 *
 * All calls share one wheel of 10 slots, phases spread over the interval, as in ingress/media/pacing.py, and the
 * same rule after a stall: two messages at most go back to back, the rest of the timeline is moved.
 *
 * --interval-ms other than --frame-ms is a faulty server (20 ms of audio every 30 ms starves a phone), and
 * --stall-after-ms stops the whole server once for --stall-ms: known faults to test a measurement with.
 *
 * Prints "listening PORT"; ends on SIGTERM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "audiosocket.h"

enum { SLOTS = 10, TABLE_FRAMES = 10, EVENTS = 512, MAXIMUM_BURST_FRAMES = 2, TONE_HZ = 440 };

struct call {
    int fd;
    bool identified;
    unsigned next_frame;
    struct parser parser;
    struct call *next, **link; /* in its slot, once identified */
};

static struct call *slots[SLOTS];
static unsigned slot_calls[SLOTS];
static unsigned slot_of_fd[1 << 16];
static unsigned char table[TABLE_FRAMES][HEADER_BYTES + MAX_FRAME_BYTES];
static unsigned message_bytes;
static int poller;

/* 440 Hz return to their first sample after 10 frames of 20 or 30 ms: the table has no click. */
static void fill_table(unsigned frame_ms) {
    unsigned samples = frame_ms * RATE_HZ / 1000;
    message_bytes = HEADER_BYTES + samples * BYTES_PER_SAMPLE;
    for (unsigned frame = 0; frame < TABLE_FRAMES; frame++) {
        unsigned char *message = table[frame];
        put_header(message, KIND_SLIN8, samples * BYTES_PER_SAMPLE);
        for (unsigned i = 0; i < samples; i++) {
            double turns = (double)(frame * samples + i) * TONE_HZ / RATE_HZ;
            int16_t sample = (int16_t)(8000.0 * sin(2.0 * M_PI * turns));
            message[HEADER_BYTES + 2 * i] = (unsigned char)(sample & 0xff);
            message[HEADER_BYTES + 2 * i + 1] = (unsigned char)((uint16_t)sample >> 8);
        }
    }
}

static void enter_wheel(struct call *call) {
    unsigned best = 0;
    for (unsigned slot = 1; slot < SLOTS; slot++)
        if (slot_calls[slot] < slot_calls[best]) best = slot;
    slot_calls[best]++;
    slot_of_fd[call->fd] = best;
    call->next = slots[best];
    if (call->next) call->next->link = &call->next;
    call->link = &slots[best];
    slots[best] = call;
    call->identified = true;
}

static void end_call(struct call *call) {
    if (call->identified) {
        slot_calls[slot_of_fd[call->fd]]--;
        *call->link = call->next;
        if (call->next) call->next->link = call->link;
    }
    close(call->fd); /* leaves the epoll set by itself */
    free(call);
}

static void accept_calls(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EAGAIN) return;
            die("accept");
        }
        if (fd >= (int)(sizeof slot_of_fd / sizeof *slot_of_fd)) {
            close(fd);
            continue;
        }
        set_no_delay(fd);
        struct call *call = calloc(1, sizeof *call);
        if (!call) die("calloc");
        call->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = call};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
}

static void on_message(void *context, unsigned kind, unsigned length) {
    struct call *call = context;
    if (kind == KIND_UUID && length == UUID_BYTES && !call->identified) enter_wheel(call);
}

/* Reads until the socket is empty: a short read says so without another system call. */
static void read_call(struct call *call) {
    static unsigned char buffer[1 << 16];
    ssize_t count;
    do {
        count = recv(call->fd, buffer, sizeof buffer, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            end_call(call);
            return;
        }
        if (count > 0) parse(&call->parser, buffer, (size_t)count, on_message, NULL, call);
    } while (count == (ssize_t)sizeof buffer);
}

static void send_slot(unsigned slot) {
    for (struct call *call = slots[slot], *next; call; call = next) {
        next = call->next;
        const unsigned char *message = table[call->next_frame];
        call->next_frame = (call->next_frame + 1) % TABLE_FRAMES;
        /* A peer that does not read, or is gone, loses its call: half a message cannot be taken back. */
        if (send(call->fd, message, message_bytes, MSG_NOSIGNAL) != (ssize_t)message_bytes) end_call(call);
    }
}

static int listen_on(unsigned port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size)) die("bind");
    if (listen(listener, 4096)) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size)) die("getsockname");
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv) {
    unsigned port = 0, frame_ms = 20, interval_ms = 0, stall_ms = 0, stall_after_ms = 0;
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},        {"frame-ms", required_argument, NULL, 'f'},
        {"interval-ms", required_argument, NULL, 'i'}, {"stall-ms", required_argument, NULL, 's'},
        {"stall-after-ms", required_argument, NULL, 'a'}, {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'p') port = whole_number(optarg, 0, 65535);
        else if (option == 'f') frame_ms = whole_number(optarg, 10, MAX_FRAME_MS);
        else if (option == 'i') interval_ms = whole_number(optarg, 10, 1000);
        else if (option == 's') stall_ms = whole_number(optarg, 0, 10000);
        else if (option == 'a') stall_after_ms = whole_number(optarg, 0, 3600000);
        else return 2;
    }
    fill_table(frame_ms);
    int64_t interval_ns = (interval_ms ? interval_ms : frame_ms) * MILLISECOND_NS;
    int64_t tick_ns = interval_ns / SLOTS;

    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0) die("epoll_create1");
    int listener = listen_on(port);
    /* timerfd is not subject to the timer slack of epoll_wait's own timeout (50 us). */
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0) die("timerfd_create");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
    event.data.ptr = &timer;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event)) die("epoll_ctl");

    int64_t due_ns = now_ns(), first_call_ns = 0;
    unsigned slot = 0;
    static struct epoll_event events[EVENTS];
    for (;;) {
        int64_t now = now_ns();
        if (stall_ms && first_call_ns && now >= first_call_ns + stall_after_ms * MILLISECOND_NS) {
            usleep(stall_ms * 1000);
            stall_ms = 0;
            now = now_ns();
        }
        if (now - due_ns >= MAXIMUM_BURST_FRAMES * interval_ns)
            due_ns = now - MAXIMUM_BURST_FRAMES * interval_ns + tick_ns;
        for (; due_ns <= now; due_ns += tick_ns, slot = (slot + 1) % SLOTS) send_slot(slot);
        /* Setting the timer also clears its readiness: no read. */
        struct itimerspec deadline = {.it_value = {due_ns / SECOND_NS, due_ns % SECOND_NS}};
        if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &deadline, NULL)) die("timerfd_settime");

        int count = epoll_wait(poller, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &timer) continue;
            if (events[i].data.ptr == &listener) {
                accept_calls(listener);
                if (!first_call_ns) first_call_ns = now_ns();
            } else {
                read_call(events[i].data.ptr);
            }
        }
    }
}
