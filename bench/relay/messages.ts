/** The messages between the benchmark and its load process. */

export interface OpenRequest {
  readonly kind: 'open';
  readonly target: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly count: number;
}

export interface RunRequest {
  readonly kind: 'run';
  readonly target: string;
  readonly pids: readonly number[];
  readonly sizeBytes: number;
  readonly framesPerSecond: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

interface CloseRequest {
  readonly kind: 'close';
  readonly target: string;
}

export type Request = OpenRequest | RunRequest | CloseRequest;

/** What one run of load through one relay gave. */
export interface RunResult {
  /** Frames that came out of the relay while it was measured, both directions together. */
  readonly frames: number;
  /** CPU time of the relay's processes for them. */
  readonly cpuNs: number;
  readonly elapsedMs: number;
  /** From the write at one end to the complete frame at the other. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the load process itself, to see that it was not the bottleneck. */
  readonly loadCpuNs: number;
}

export type Reply =
  | { readonly ok: true; readonly result?: RunResult }
  | { readonly ok: false; readonly error: string };
