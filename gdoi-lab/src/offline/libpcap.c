/* What a program on libpcap does at least: reads a capture, filters it, counts. */
#include <pcap/pcap.h>
#include <stdio.h>

static unsigned long packets, octets;

static void count(u_char *user, const struct pcap_pkthdr *header, const u_char *frame)
{
    (void)user;
    (void)frame;
    packets++;
    octets += header->len;
}

int main(int arguments, char **argument)
{
    char error[PCAP_ERRBUF_SIZE];
    struct bpf_program filter;
    pcap_t *capture = arguments == 2 ? pcap_open_offline(argument[1], error) : NULL;

    if (!capture
        || pcap_compile(capture, &filter, "udp port 848 or udp port 4500 or proto 50", 1, PCAP_NETMASK_UNKNOWN)
        || pcap_setfilter(capture, &filter)
        || pcap_loop(capture, -1, count, NULL))
        return 1;
    printf("%lu packets, %lu octets\n", packets, octets);
    pcap_close(capture);
    return 0;
}
