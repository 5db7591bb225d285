/* What both native programs need: the AudioSocket framing, a clock, and how to stop. */
#ifndef AUDIOSOCKET_H
#define AUDIOSOCKET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Kinds and header: Asterisk, include/asterisk/res_audiosocket.h:40-79. */
enum { HEADER_BYTES = 3, UUID_BYTES = 16, KIND_UUID = 0x01, KIND_SLIN8 = 0x10 };
enum { RATE_HZ = 8000, BYTES_PER_SAMPLE = 2, MAX_FRAME_MS = 60 };
enum { MAX_FRAME_BYTES = MAX_FRAME_MS * RATE_HZ / 1000 * BYTES_PER_SAMPLE };

#define MILLISECOND_NS 1000000LL
#define SECOND_NS 1000000000LL

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static inline unsigned whole_number(const char *text, unsigned long least, unsigned long most) {
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || end == text || number < least || number > most) {
        fprintf(stderr, "%s: a whole number of %lu to %lu is wanted\n", text, least, most);
        exit(2);
    }
    return (unsigned)number;
}

static inline struct sockaddr_in loopback(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void set_no_delay(int fd) {
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) die("TCP_NODELAY");
}

static inline void put_header(unsigned char *message, unsigned kind, unsigned length) {
    message[0] = (unsigned char)kind;
    message[1] = (unsigned char)(length >> 8);
    message[2] = (unsigned char)length;
}

/* Where a stream of messages stands, however TCP cuts it. All zero before the first byte. */
struct parser {
    unsigned char header[HEADER_BYTES];
    unsigned header_bytes;
    unsigned payload_left;
};

typedef void message_handler(void *context, unsigned kind, unsigned length);
typedef void payload_handler(void *context, unsigned kind, const unsigned char *bytes, size_t count);

/* Calls on_message for each message whose last byte is here, and on_payload (if any) for each piece. */
static inline void parse(struct parser *parser, const unsigned char *bytes, size_t count,
                         message_handler *on_message, payload_handler *on_payload, void *context) {
    while (count) {
        if (parser->header_bytes < HEADER_BYTES) {
            parser->header[parser->header_bytes++] = *bytes++;
            count--;
            if (parser->header_bytes < HEADER_BYTES) continue;
            parser->payload_left = (unsigned)parser->header[1] << 8 | parser->header[2];
        }
        size_t piece = count < parser->payload_left ? count : parser->payload_left;
        if (piece && on_payload) on_payload(context, parser->header[0], bytes, piece);
        bytes += piece;
        count -= piece;
        parser->payload_left -= (unsigned)piece;
        if (!parser->payload_left) {
            parser->header_bytes = 0;
            on_message(context, parser->header[0], (unsigned)parser->header[1] << 8 | parser->header[2]);
        }
    }
}

#endif
