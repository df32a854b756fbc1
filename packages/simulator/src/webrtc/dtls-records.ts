/**
 * Keeps the first data-channel messages from getting lost.
 *
 * werift 0.24 numbers the record of its DTLS Finished message within epoch 1 by the handshake's
 * count (6 after a usual handshake) and then counts application records from 1. The sixth of those
 * repeats a number, so the peer drops it as a replay (RFC 6347 §4.1.2.6), and SCTP sends the
 * message again only after its timeout of a second. Counting on from beyond any handshake avoids
 * it.
 *
 * Seen with Chromium 156: the event after `session.created` came 1.2 s late, every time.
 */
import type { RTCPeerConnection } from 'werift';

/** More messages than a handshake has, fewer than would matter to a 48-bit counter. */
const FIRST_RECORD = 64;

/** To be called when the transports exist, which is once the offer was taken. */
export function skipHandshakeRecords(peer: RTCPeerConnection): void {
  for (const transport of peer.dtlsTransports) {
    transport.onStateChange.subscribe(state => {
      const context = transport.dtls?.dtls;
      if (state !== 'connected' || context === undefined) return;
      context.recordSequenceNumber = Math.max(context.recordSequenceNumber, FIRST_RECORD);
    });
  }
}
