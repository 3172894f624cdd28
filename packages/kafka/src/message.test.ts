import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Api } from './api.ts';
import { ALL_APIS } from './apis.ts';
import { FRAME_LENGTH_BYTES, readRequest, readResponse, requestFrame, responseFrame } from './message.ts';
import { sendable, valueOf } from './test-kit.ts';
import { WireError } from './wire-reader.ts';

const VERSIONS = ALL_APIS.flatMap((api) => {
  const [first, last] = api.versions;
  return Array.from({ length: last - first + 1 }, (_, i) => ({ api, version: first + i }));
});

/** A frame's contents, in one piece. */
function contentsOf(frame: readonly Uint8Array[]): Buffer {
  const whole = Buffer.concat(frame);
  expect(whole.readInt32BE(0)).toBe(whole.length - FRAME_LENGTH_BYTES);
  return whole.subarray(FRAME_LENGTH_BYTES);
}

test.each(VERSIONS.map(({ api, version }) => [api.name, version, api] as const))(
  '%s v%i: what is written is what is read, both ways',
  (_name, version, api) => {
    const request = (seed: number) => {
      const written = valueOf(api.spec.request, version, api.isFlexible(version), seed);
      const header = { correlationId: seed, clientId: 'test' };
      const bytes = contentsOf(requestFrame(api, version, header, written));
      const read = readRequest(api, bytes);
      expect(read.correlationId).toBe(seed);
      expect(read.clientId).toBe('test');
      // Written again it is the same, byte for byte: all that was read is all that there was.
      expect(Buffer.concat(requestFrame(api, version, header, sendable(read.request))).subarray(4)).toEqual(bytes);
    };
    const response = (seed: number) => {
      const written = valueOf(api.spec.response, version, api.isFlexible(version), seed);
      const bytes = contentsOf(responseFrame(api, version, seed, written));
      const read = readResponse(api, version, bytes);
      expect(read.correlationId).toBe(seed);
      expect(Buffer.concat(responseFrame(api, version, seed, sendable(read.response))).subarray(4)).toEqual(bytes);
    };
    for (let seed = 0; seed < 20; seed++) {
      request(seed);
      response(seed);
    }
  },
);

test('any bytes are a message or a WireError', () => {
  const apis = fc.constantFrom(...VERSIONS);
  fc.assert(
    fc.property(apis, fc.uint8Array({ maxLength: 300 }), ({ api, version }, bytes) => {
      const head = Buffer.alloc(8);
      head.writeInt16BE(api.key, 0);
      head.writeInt16BE(version, 2);
      expect(() => readOrRefuse(() => readResponse(api, version, Buffer.from(bytes)))).not.toThrow();
      expect(() => readOrRefuse(() => readRequest(api, Buffer.concat([head, bytes])))).not.toThrow();
    }),
    { numRuns: 20_000 },
  );
});

test('a message with a few bytes changed is a message or a WireError', () => {
  const apis = fc.constantFrom(...VERSIONS);
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(apis, fc.nat(1_000), edits, ({ api, version }, seed, changes) => {
      const header = { correlationId: 1, clientId: null };
      const bytes = contentsOf(
        requestFrame(api, version, header, valueOf(api.spec.request, version, api.isFlexible(version), seed)),
      );
      const cut = Buffer.from(
        bytes.subarray(0, Math.max(8, seed % 7 === 0 ? bytes.length - (seed % 40) : bytes.length)),
      );
      for (const [at, byte] of changes) cut[8 + (at % Math.max(1, cut.length - 8))] = byte;
      expect(() => readOrRefuse(() => readRequest(api, cut))).not.toThrow();
    }),
    { numRuns: 10_000 },
  );
});

test('an array that claims more elements than there are bytes is refused before anything is made of it', () => {
  const metadata = ALL_APIS.find(({ name }) => name === 'Metadata') as Api;
  const bytes = Buffer.alloc(14);
  bytes.writeInt16BE(3, 0);
  bytes.writeInt16BE(1, 2);
  bytes.writeInt16BE(-1, 8);
  bytes.writeInt32BE(0x7fff_ffff, 10);
  expect(() => readRequest(metadata, bytes)).toThrow('an array of 2147483647 elements does not fit the message');
});

test('a message of nothing but tiny elements is refused: its objects would take many times its size', () => {
  const describe = ALL_APIS.find(({ name }) => name === 'DescribeTopicPartitions') as Api;
  const topics = Array.from({ length: 100_000 }, () => ({ name: '' }));
  const request = { topics, responsePartitionLimit: 1, cursor: null };
  const bytes = contentsOf(requestFrame(describe, 0, { correlationId: 1, clientId: null }, request));
  expect(bytes.length).toBeLessThan(201_000);
  expect(() => readRequest(describe, bytes)).toThrow('more elements than its size gives reason for');
});

test('bytes that follow a request are passed over, as some clients send them, and those behind a response are refused', () => {
  const versions = ALL_APIS.find(({ name }) => name === 'ApiVersions') as Api;
  const request = contentsOf(requestFrame(versions, 0, { correlationId: 7, clientId: null }, {}));
  expect(readRequest(versions, Buffer.concat([request, Buffer.of(0, 1)])).correlationId).toBe(7);
  const response = contentsOf(responseFrame(versions, 0, 7, { errorCode: 0, apiKeys: [] }));
  expect(() => readResponse(versions, 0, Buffer.concat([response, Buffer.of(0)]))).toThrow('1 bytes follow');
});

function readOrRefuse(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}

test('a text that is too long for its length is cut where a character ends', () => {
  const topics = ALL_APIS.find(({ name }) => name === 'CreatePartitions') as Api;
  const message = '€'.repeat(20_000);
  const result = { name: 'a', errorCode: 1, errorMessage: message };
  const bytes = contentsOf(responseFrame(topics, 1, 7, { throttleTimeMs: 0, results: [result] }));
  const { results } = readResponse(topics, 1, bytes).response;
  expect(results[0].errorMessage).toBe(message.slice(0, 10_922));
  const whole = contentsOf(responseFrame(topics, 2, 7, { throttleTimeMs: 0, results: [result] }));
  expect(readResponse(topics, 2, whole).response.results[0].errorMessage).toBe(message);
});
