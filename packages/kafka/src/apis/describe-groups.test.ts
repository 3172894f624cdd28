import { expect, test } from 'vitest';
import { readHex, writtenHex } from '../test-kit.ts';
import type { GoldenFrame } from '../test-kit.ts';
import { describeGroups } from './describe-groups.ts';

// Made by Kafka 4.4's DescribeGroupsRequestData and DescribeGroupsResponseData.
const FRAMES: readonly GoldenFrame[] = [
  {
    kind: 'request',
    version: 0,
    value: { groups: ['g1', 'g2'], includeAuthorizedOperations: false },
    hex: '000f000000000007000474657374000000020002673100026732',
  },
  {
    kind: 'request',
    version: 4,
    value: { groups: ['g1', 'g2'], includeAuthorizedOperations: true },
    hex: '000f00040000000700047465737400000002000267310002673201',
  },
  {
    kind: 'request',
    version: 6,
    value: { groups: ['g1', 'g2'], includeAuthorizedOperations: true },
    hex: '000f00060000000700047465737400030367310367320100',
  },
  {
    kind: 'response',
    version: 0,
    value: {
      throttleTimeMs: 0,
      groups: [
        {
          errorCode: 0,
          errorMessage: null,
          groupId: 'g1',
          groupState: 'Stable',
          protocolType: 'consumer',
          protocolData: 'range',
          members: [
            {
              memberId: 'm1',
              groupInstanceId: null,
              clientId: 'c',
              clientHost: '/127.0.0.1',
              memberMetadata: Buffer.of(1, 2),
              memberAssignment: Buffer.of(3),
            },
          ],
          authorizedOperations: -2147483648,
        },
        {
          errorCode: 69,
          errorMessage: null,
          groupId: 'g2',
          groupState: 'Dead',
          protocolType: '',
          protocolData: '',
          members: [],
          authorizedOperations: -2147483648,
        },
      ],
    },
    hex: '00000007000000020000000267310006537461626c650008636f6e73756d6572000572616e67650000000100026d31000163000a2f3132372e302e302e3100000002010200000001030045000267320004446561640000000000000000',
  },
  {
    kind: 'response',
    version: 4,
    value: {
      throttleTimeMs: 1,
      groups: [
        {
          errorCode: 0,
          errorMessage: null,
          groupId: 'g1',
          groupState: 'Stable',
          protocolType: 'consumer',
          protocolData: 'range',
          members: [
            {
              memberId: 'm1',
              groupInstanceId: 'i1',
              clientId: 'c',
              clientHost: '/127.0.0.1',
              memberMetadata: Buffer.of(1, 2),
              memberAssignment: Buffer.of(3),
            },
          ],
          authorizedOperations: 328,
        },
        {
          errorCode: 69,
          errorMessage: null,
          groupId: 'g2',
          groupState: 'Dead',
          protocolType: '',
          protocolData: '',
          members: [],
          authorizedOperations: -2147483648,
        },
      ],
    },
    hex: '0000000700000001000000020000000267310006537461626c650008636f6e73756d6572000572616e67650000000100026d3100026931000163000a2f3132372e302e302e31000000020102000000010300000148004500026732000444656164000000000000000080000000',
  },
  {
    kind: 'response',
    version: 6,
    value: {
      throttleTimeMs: 1,
      groups: [
        {
          errorCode: 0,
          errorMessage: null,
          groupId: 'g1',
          groupState: 'Stable',
          protocolType: 'consumer',
          protocolData: 'range',
          members: [
            {
              memberId: 'm1',
              groupInstanceId: 'i1',
              clientId: 'c',
              clientHost: '/127.0.0.1',
              memberMetadata: Buffer.of(1, 2),
              memberAssignment: Buffer.of(3),
            },
          ],
          authorizedOperations: 328,
        },
        {
          errorCode: 69,
          errorMessage: 'none',
          groupId: 'g2',
          groupState: 'Dead',
          protocolType: '',
          protocolData: '',
          members: [],
          authorizedOperations: -2147483648,
        },
      ],
    },
    hex: '0000000700000000010300000003673107537461626c6509636f6e73756d65720672616e676502036d3103693102630b2f3132372e302e302e3103010202030000000148000045056e6f6e650367320544656164010101800000000000',
  },
];

test.each(FRAMES)('the $kind of v$version is, byte for byte, what Kafka makes of it', (frame) => {
  expect(writtenHex(describeGroups, frame)).toBe(frame.hex);
  expect(readHex(describeGroups, frame)).toEqual(frame.value);
});
