// Packet sockets: packet(7); include/uapi/linux/if_packet.h

export const AF_PACKET = 17;
