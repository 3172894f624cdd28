import type { ClusterImage } from '@weir/client/metadata/cluster-image.ts';
import type { deleteTopics, DeleteTopicsResponse } from '@weir/kafka/apis/delete-topics.ts';
import { NO_UUID } from '@weir/kafka/schema.ts';
import { latin1 } from '../partition/partition-key.ts';
import { NO_RESULT, outcomeOf, outcomeOfFailure } from './admin.ts';
import type { Admin, Outcome } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Exchange } from './exchange.ts';
import { REPEATED } from './repeated.ts';
import { findTopic, isById } from './topics.ts';

/** The first version that names topics by their ids as well, and the first that says why not. */
const IDS_FROM = 6;
const REASON_FROM = 5;

type Answer = DeleteTopicsResponse['responses'][number];

/** How a request names a topic: by its name, else by its id. */
interface Reference {
  readonly name: string | null;
  /** 16 bytes, zero where the name is meant. */
  readonly topicId: Uint8Array;
}

/** A topic that the coordinator is asked to delete. */
interface Target {
  readonly name: string;
  readonly reference: Reference;
}

/** Deletes topics, by name or by id. One that a request has more than once is answered once, and stays. */
export async function answerDeleteTopics(
  cluster: ClusterView,
  admin: Admin,
  exchange: Exchange<typeof deleteTopics>,
): Promise<void> {
  const { request, version } = exchange;
  const asked = version < IDS_FROM ? request.topicNames.map((name) => ({ name, topicId: NO_UUID })) : request.topics;
  const { answers, targets } = sortOut(cluster.image, asked);
  answers.push(...(await deleted(admin, targets)));
  exchange.answer({
    throttleTimeMs: 0,
    responses: version < REASON_FROM ? answers.map((answer) => ({ ...answer, errorMessage: null })) : answers,
  });
}

/** What can be said without the coordinator, and what it is asked for: each at most once. */
function sortOut(image: ClusterImage, asked: readonly Reference[]): { answers: Answer[]; targets: Target[] } {
  const answers = asked.filter((one) => !isNamedOneWay(one)).map((one) => ({ ...one, ...MISNAMED }));
  const targets: Target[] = [];
  const places = Map.groupBy(asked.filter(isNamedOneWay), keyOf);
  for (const [reference, ...others] of places.values()) {
    const { name, topicId } = reference!;
    const topic = findTopic(image, { name: name ?? '', id: topicId });
    if (others.length > 0) {
      answers.push({ ...reference!, ...REPEATED });
    } else if (name === null) {
      if (topic === undefined) answers.push({ name, topicId, ...UNKNOWN_ID });
      // Named as well: then it is answered for there.
      else if (places.get(topic.name)?.length !== 1) targets.push({ name: topic.name, reference: reference! });
    } else if (topic !== undefined && places.has(keyOf({ name: null, topicId: topic.idBytes }))) {
      answers.push({ name, topicId: topic.idBytes, ...REPEATED });
    } else {
      targets.push({ name, reference: reference! });
    }
  }
  return { answers, targets };
}

async function deleted(admin: Admin, targets: readonly Target[]): Promise<Answer[]> {
  const outcomes = new Map<string, Outcome & { readonly id?: Uint8Array }>();
  try {
    const topics = targets.map(({ name, reference }) =>
      reference.name === null ? { name, id: reference.topicId } : { name },
    );
    const results = topics.length === 0 ? [] : await admin.deleteTopics({ topics });
    for (const result of results) outcomes.set(result.name, { ...outcomeOf(result), id: result.topicId });
  } catch (error) {
    const outcome = outcomeOfFailure(error);
    for (const { name } of targets) outcomes.set(name, outcome);
  }
  return targets.map(({ name, reference }) => {
    const { errorCode, errorMessage, id } = outcomes.get(name) ?? { ...NO_RESULT, id: undefined };
    const isDeleted = errorCode === 0;
    return {
      name: isDeleted ? name : reference.name,
      topicId: isDeleted && id !== undefined ? id : reference.topicId,
      errorCode,
      errorMessage,
    };
  });
}

function isNamedOneWay({ name, topicId }: Reference): boolean {
  return (name === null) === isById({ name: '', id: topicId });
}

/** Names hold no NUL. */
function keyOf({ name, topicId }: Reference): string {
  return name ?? `\0${latin1(topicId)}`;
}

const MISNAMED = outcomeOf({
  code: 'INVALID_REQUEST',
  message: 'a topic to delete is named by its name or by its id, not by both',
});
const UNKNOWN_ID = outcomeOf({ code: 'UNKNOWN_TOPIC_ID', message: 'there is no topic with this id' });
