import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { listGroups } from './list-groups.ts';

// Made by Kafka 4.4's ListGroupsRequestData and ListGroupsResponseData.
const FRAMES: readonly GoldenFrame[] = [
  { kind: 'request', version: 0, value: { statesFilter: [], typesFilter: [] }, hex: '0010000000000007000474657374' },
  {
    kind: 'request',
    version: 3,
    value: { statesFilter: [], typesFilter: [] },
    hex: '00100003000000070004746573740000',
  },
  {
    kind: 'request',
    version: 5,
    value: { statesFilter: ['Stable', 'Empty'], typesFilter: ['classic'] },
    hex: '0010000500000007000474657374000307537461626c6506456d7074790208636c617373696300',
  },
  {
    kind: 'response',
    version: 0,
    value: {
      throttleTimeMs: 0,
      errorCode: 0,
      groups: [
        { groupId: 'g1', protocolType: 'consumer', groupState: '', groupType: '' },
        { groupId: 'g2', protocolType: '', groupState: '', groupType: '' },
      ],
    },
    hex: '00000007000000000002000267310008636f6e73756d6572000267320000',
  },
  {
    kind: 'response',
    version: 3,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      groups: [
        { groupId: 'g1', protocolType: 'consumer', groupState: '', groupType: '' },
        { groupId: 'g2', protocolType: '', groupState: '', groupType: '' },
      ],
    },
    hex: '00000007000000000100000303673109636f6e73756d657200036732010000',
  },
  {
    kind: 'response',
    version: 5,
    value: {
      throttleTimeMs: 1,
      errorCode: 0,
      groups: [
        { groupId: 'g1', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
        { groupId: 'g2', protocolType: '', groupState: 'Empty', groupType: 'classic' },
      ],
    },
    hex: '00000007000000000100000303673109636f6e73756d657207537461626c6508636c6173736963000367320106456d70747908636c61737369630000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(listGroups, frame)).toBe(frame.hex);
  expect(readHex(listGroups, frame)).toEqual(frame.value);
});
