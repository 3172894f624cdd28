import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFlights } from '../../examples/flights/flights.ts';
import { DevCluster } from './dev-cluster.ts';

const cluster = new DevCluster();
beforeAll(() => cluster.start());
afterAll(() => cluster.remove());

test('200,000 flights go in through the gateway and come back complete and in order per origin', async () => {
  const report = await runFlights(cluster.url, 'flights', 10);
  expect(report.problems).toEqual([]);
  expect(report.read).toBe(200_000);
  expect(report.origins).toBe(220);
}, 120_000);
