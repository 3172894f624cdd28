import { describe, expect, it } from 'vitest';
import { readOptions, UsageError } from './options.ts';

describe('options of the suite', () => {
  it('have defaults, and take the peer from the environment', () => {
    expect(readOptions([], { WEIR_KAFKA_PEER: 'peer' })).toEqual({
      peer: 'peer',
      list: false,
      rounds: 3,
      scale: 1,
      brokers: ['Weir', 'Kafka'],
      wanted: [],
      markdown: false,
      jsonFile: undefined,
    });
  });

  it('take rows and options in any order', () => {
    const words = ['produce', '--rounds', '5', 'e2e', '--only', 'weir', '--kafka-peer', 'here', '--scale', '0.1'];
    expect(readOptions(words, {})).toMatchObject({
      peer: 'here',
      rounds: 5,
      scale: 0.1,
      brokers: ['Weir'],
      wanted: ['produce', 'e2e'],
    });
  });

  it('say what the suite needs when there is no peer, unless the rows are only to be listed', () => {
    expect(() => readOptions([], {})).toThrow('--kafka-peer DIRECTORY');
    expect(readOptions(['--list'], {})).toMatchObject({ list: true });
    expect(readOptions(['--help'], {})).toBeUndefined();
  });

  it('refuse what cannot be meant', () => {
    const environment = { WEIR_KAFKA_PEER: 'peer' };
    expect(() => readOptions(['--rounds', '0'], environment)).toThrow('--rounds is "0", which has to be 1 to 100');
    expect(() => readOptions(['--scale', ''], environment)).toThrow('--scale is ""');
    expect(() => readOptions(['--only', 'redis'], environment)).toThrow('--only is "redis"');
    expect(() => readOptions(['--round', '1'], environment)).toThrow(UsageError);
  });
});
