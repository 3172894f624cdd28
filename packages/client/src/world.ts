import type { World } from '@weir/runtime/world.ts';

/** What a client needs of the world. */
export type ClientWorld = Pick<World, 'clock' | 'random' | 'transport' | 'logger'>;
