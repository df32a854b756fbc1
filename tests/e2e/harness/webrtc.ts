import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from 'werift';

/** A caller without a browser: an offer with one audio track and the events' data channel. */
export interface Call {
  readonly sdp: string;
  accept(answerSdp: string): Promise<void>;
  /** Resolves when media could flow. */
  readonly connected: Promise<void>;
  close(): Promise<void>;
}

/** The caller closes it. */
export async function offerCall(): Promise<Call> {
  const peer = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: {
      audio: [
        new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }),
      ],
    },
  });
  peer.addTransceiver(new MediaStreamTrack({ kind: 'audio' }), { direction: 'sendrecv' });
  peer.createDataChannel('oai-events');
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  peer.connectionStateChange.subscribe(state => {
    if (state === 'connected') resolve();
  });
  await peer.setLocalDescription(await peer.createOffer());
  return {
    sdp: peer.localDescription!.sdp,
    connected,
    accept: async sdp => peer.setRemoteDescription({ type: 'answer', sdp }),
    close: () => peer.close(),
  };
}
