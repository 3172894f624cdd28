import { expect, test } from 'vitest';
import { HTTP_CONSUMER_AHEAD_BYTES, HTTP_CONSUMERS_MAX } from '@weir/base/group-limits.ts';
import {
  GATEWAY_PROCESS_BYTES,
  HTTP_BODY_BYTES_MAX,
  HTTP_IN_FLIGHT_BYTES_MAX,
  PRODUCER_BUFFER_BYTES_MAX,
  READ_BYTES_MAX,
} from '@weir/base/limits.ts';
import { budgetsFor } from './budgets.ts';

const MIB = 1024 * 1024;

test.each([256, 512, 1_024, 65_536])(
  'what is held under a limit of %i MiB is at most half of what is left',
  (limitMiB) => {
    const { inFlightBytes, producerBufferBytes } = budgetsFor(limitMiB * MIB);
    expect(inFlightBytes + producerBufferBytes).toBeLessThanOrEqual((limitMiB * MIB - GATEWAY_PROCESS_BYTES) / 2);
  },
);

test('what consumers read ahead is at most an eighth of it', () => {
  const { consumersMax } = budgetsFor(512 * MIB);
  expect(consumersMax).toBe(Math.floor((512 * MIB - GATEWAY_PROCESS_BYTES) / 8 / HTTP_CONSUMER_AHEAD_BYTES));
});

test('the largest body fits, however little memory there is', () => {
  expect(budgetsFor(64 * MIB)).toMatchObject({
    inFlightBytes: HTTP_BODY_BYTES_MAX,
    producerBufferBytes: HTTP_BODY_BYTES_MAX,
  });
});

test('a machine with much memory does not make a gateway hold much', () => {
  expect(budgetsFor(1_024 * 1_024 * MIB)).toEqual({
    inFlightBytes: HTTP_IN_FLIGHT_BYTES_MAX,
    producerBufferBytes: PRODUCER_BUFFER_BYTES_MAX,
    readBytes: READ_BYTES_MAX,
    consumersMax: HTTP_CONSUMERS_MAX,
  });
});
