import type { DashboardSpec } from './dashboard.ts';
import { graph, HERE, quantiles, rate } from './panel.ts';

/** What clients ask over HTTP, and what they get. */
export const gateway: DashboardSpec = {
  name: 'gateway',
  title: 'Weir / Gateway',
  description: 'What clients ask over HTTP, and how they are answered.',
  instancesOf: 'weir_gateway_streams',
  rows: [
    {
      title: 'Requests',
      panels: [
        graph({
          title: 'Requests by route',
          description: 'Requests answered, in a second.',
          unit: 'reqps',
          targets: [{ expr: rate('weir_gateway_requests_total', { by: 'route' }), legend: '{{route}}' }],
        }),
        graph({
          title: 'Requests by status',
          description: '499 is a client that went away before its answer.',
          unit: 'reqps',
          targets: [{ expr: rate('weir_gateway_requests_total', { by: 'status' }), legend: '{{status}}' }],
        }),
        graph({
          title: 'Share of errors',
          description: 'Answers 5xx of all answers.',
          unit: 'percentunit',
          targets: [
            {
              expr: `(${rate('weir_gateway_requests_total', { where: 'status=~"5.."' })} or vector(0)) / (${rate('weir_gateway_requests_total')} > 0)`,
              legend: '5xx',
            },
          ],
          thresholds: [
            { value: null, color: 'green' },
            { value: 0.01, color: 'red' },
          ],
        }),
        graph({
          title: 'Latency',
          description: 'From a request to the end of its answer; streams are left out.',
          unit: 's',
          width: 12,
          targets: quantiles('weir_gateway_request_duration_seconds'),
        }),
        graph({
          title: 'Latency by route (p99)',
          description: 'Reads that wait for records take as long as they were told to.',
          unit: 's',
          width: 12,
          targets: [
            {
              expr: `histogram_quantile(0.99, sum by (le, route) (rate(weir_gateway_request_duration_seconds_bucket{${HERE}}[$__rate_interval])))`,
              legend: '{{route}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Records and bytes',
      panels: [
        graph({
          title: 'Records',
          description: 'Records that brokers acknowledged, and records that were handed out.',
          unit: 'cps',
          targets: [
            { expr: rate('weir_gateway_records_in_total'), legend: 'in' },
            { expr: rate('weir_gateway_records_out_total'), legend: 'out' },
          ],
        }),
        graph({
          title: 'Bytes',
          description: 'Bytes of request bodies and of answers.',
          unit: 'Bps',
          targets: [
            { expr: rate('weir_gateway_bytes_in_total'), legend: 'in' },
            { expr: rate('weir_gateway_bytes_out_total'), legend: 'out' },
          ],
        }),
        graph({
          title: 'Bodies under way',
          description:
            'Bytes of bodies that are being read or answered. At its budget a gateway answers 503 OVERLOADED.',
          unit: 'bytes',
          targets: [{ expr: `sum by (instance) (weir_gateway_in_flight_bytes{${HERE}})`, legend: '{{instance}}' }],
        }),
        graph({
          title: 'Streams',
          description: 'Event streams and uploads under way.',
          unit: 'short',
          targets: [{ expr: `sum by (instance) (weir_gateway_streams{${HERE}})`, legend: '{{instance}}' }],
        }),
      ],
    },
  ],
};
