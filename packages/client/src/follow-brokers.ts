import type { Connections } from './connections.ts';
import type { ClusterImage } from './metadata/cluster-image.ts';

/** Lets go of connections to brokers that are not there any more. */
export function followBrokers(image: ClusterImage, connections: Connections): void {
  const [inUse, silent] = [new Set<string>(), new Set<string>()];
  for (const { active, grpcAddress } of image.brokers()) (active ? inUse : silent).add(grpcAddress);
  // Whoever waits there for an answer that may never come is to ask whoever leads now.
  for (const address of silent) if (!inUse.has(address)) connections.cut(address);
  connections.keepOnly(inUse);
}
