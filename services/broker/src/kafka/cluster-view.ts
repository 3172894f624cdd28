import { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import type { BrokerInfo } from '@weir/client/metadata/cluster-image.ts';
import { addressOf } from '@weir/base/listeners.ts';
import { splitAddress } from '@weir/base/options.ts';

/** Where a broker is reached, as clients want it. */
export interface Endpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** The cluster as the broker's own session knows it, in the words of Kafka's protocol. */
export class ClusterView {
  readonly #image: () => ClusterImage | undefined;
  readonly #clusterId: () => string;

  constructor(image: () => ClusterImage | undefined, clusterId: () => string) {
    this.#image = image;
    this.#clusterId = clusterId;
  }

  /** Empty before the coordinator has told. */
  get image(): ClusterImage {
    return this.#image() ?? NOTHING;
  }

  get clusterId(): string {
    return this.#clusterId();
  }

  /** Brokers that are there, and have a listener of that name, by id. */
  endpoints(listener: string): Endpoint[] {
    const found: Endpoint[] = [];
    for (const broker of this.image.brokers()) {
      const endpoint = broker.active ? endpointOf(broker, listener) : undefined;
      if (endpoint !== undefined) found.push(endpoint);
    }
    return found.toSorted((a, b) => a.nodeId - b.nodeId);
  }

  /** Whom clients send what is for the controller: any broker passes it on. -1 when there is none. */
  controllerId(listener: string): number {
    return this.endpoints(listener)[0]?.nodeId ?? -1;
  }

  isActive(broker: number): boolean {
    return this.image.broker(broker)?.active === true;
  }
}

function endpointOf({ id, kafkaAddress, rack }: BrokerInfo, listener: string): Endpoint | undefined {
  const address = addressOf(kafkaAddress, listener);
  if (address === undefined) return undefined;
  return { nodeId: id, ...splitAddress(address), rack: rack === '' ? null : rack };
}

const NOTHING = new ClusterImage();
