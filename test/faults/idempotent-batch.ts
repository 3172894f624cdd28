import { initProducerId } from '@weir/kafka/apis/init-producer-id.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import { asProducers } from '@weir/log/test-kit.ts';
import { BatchBuilder } from '@weir/records/batch-builder.ts';
import { KafkaConnection } from '../harness/kafka-connection.ts';
import type { WeirProcess } from './weir-process.ts';

const TIMEOUT_MS = 10_000;

/** The first batch of an idempotent producer, with one record: to be sent as often as a test likes. */
export async function idempotentBatch(weir: WeirProcess, value: string): Promise<Buffer> {
  const kafka = await KafkaConnection.open(weir.service('broker').kafka!);
  try {
    const asked = { transactionalId: null, transactionTimeoutMs: TIMEOUT_MS };
    const { producerId, producerEpoch } = await kafka.ask(initProducerId, 4, asked);
    const builder = new BatchBuilder({ maxBytes: 10_000 });
    builder.append({ key: null, value: Buffer.from(JSON.stringify(value)), timestampMs: Date.now() });
    return asProducers(builder.build(), { producerId, epoch: producerEpoch, sequence: 0 });
  } finally {
    kafka.close();
  }
}

/** Sends it to the first partition; its offset in the log, or the number of the error. */
export async function sendBatch(
  weir: WeirProcess,
  topic: string,
  batch: Buffer,
): Promise<{ readonly baseOffset: number; readonly errorCode: number }> {
  const kafka = await KafkaConnection.open(weir.service('broker').kafka!);
  try {
    const topicData = [{ name: topic, partitionData: [{ index: 0, records: [batch] }] }];
    const request = { transactionalId: null, acks: -1, timeoutMs: TIMEOUT_MS, topicData };
    const { responses } = await kafka.ask(produce, 9, request);
    return responses[0]!.partitionResponses[0]!;
  } finally {
    kafka.close();
  }
}
