import { expect, it } from 'vitest';
import { mergeMetrics } from './prometheus.ts';

const SERVER = `# HELP http_seconds Time.
# TYPE http_seconds histogram
http_seconds_count{path="/a, b {c}"} 2
http_seconds_bucket{path="/a, b {c}",le="+Inf"} 2
# HELP up Whether it is.
# TYPE up gauge
up 1
`;
const WORKER = `# HELP up Whether it is.
# TYPE up gauge
up 3e-7
# HELP only_here Once.
# TYPE only_here counter
only_here NaN
`;

it('keeps the samples of a metric together and distinguishes the processes by a label', () => {
  expect(mergeMetrics({ server: SERVER, worker: WORKER })).toBe(`# HELP http_seconds Time.
# TYPE http_seconds histogram
http_seconds_count{process="server",path="/a, b {c}"} 2
http_seconds_bucket{process="server",path="/a, b {c}",le="+Inf"} 2
# HELP up Whether it is.
# TYPE up gauge
up{process="server"} 1
up{process="worker"} 3e-7
# HELP only_here Once.
# TYPE only_here counter
only_here{process="worker"} NaN
`);
});

it('leaves out what is not in the format', () => {
  const text = mergeMetrics({ server: 'up 1\n', worker: '<html>\nup\nup{a="b"} 1 2 3\n\n' });
  expect(text).toBe('up{process="server"} 1\n');
});
