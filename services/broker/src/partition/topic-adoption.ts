import { DiskError } from '@weir/base/disk.ts';
import type { ClusterImage, TopicInfo } from '@weir/client/metadata/cluster-image.ts';
import { directoryOf } from './open-log.ts';
import { writePartitionFile } from './partition-file.ts';
import type { Partition } from './partition.ts';
import type { PartitionsParts } from './partitions-parts.ts';
import { sameSettings, settingsInEffect } from './topic-settings.ts';
import type { FlushPolicy } from './topic-settings.ts';

/** Gives partitions what the metadata says of their topics, in memory, and where that is lost in their folders. */
export class TopicAdoption {
  readonly #parts: PartitionsParts;
  /** Their folders lack the file that tells the topic's configs. */
  readonly #undescribed = new Set<Partition>();

  constructor(parts: PartitionsParts) {
    this.#parts = parts;
  }

  /** Its folder lacks the file. */
  lacksFile(partition: Partition): void {
    this.#undescribed.add(partition);
  }

  /** It is gone. */
  forget(partition: Partition): void {
    this.#undescribed.delete(partition);
  }

  adopt(partition: Partition, topic: TopicInfo, image: ClusterImage): void {
    const settings = settingsInEffect(topic.configs, image, this.#parts);
    const { name, settings: known } = partition.topic;
    if (this.#undescribed.has(partition)) this.#describe(partition, topic, known.flush);
    // How a log is written is settled when it is opened.
    const adopted = { ...settings, flush: known.flush };
    if (name === topic.name && sameSettings(known, adopted)) return;
    partition.topic = {
      name: topic.name,
      settings: adopted,
      counters: this.#parts.metrics.forTopic(topic.name),
    };
  }

  /** Gives a folder the file that it lost. Its log goes on as it was opened; the next start opens it as the topic says. */
  #describe(partition: Partition, topic: TopicInfo, flush: FlushPolicy): void {
    try {
      const file = { topic: topic.name, configs: topic.configs, flush };
      writePartitionFile(this.#parts.disk, directoryOf(partition.folder), file);
      this.#undescribed.delete(partition);
    } catch (error) {
      // The next metadata tries again; meanwhile it is as safe as it was.
      if (!(error instanceof DiskError)) throw error;
    }
  }
}
