import type { apiVersions } from '@weir/kafka/apis/api-versions.ts';
import type { ApiVersionsResponse } from '@weir/kafka/apis/api-versions.ts';
import { produce } from '@weir/kafka/apis/produce.ts';
import type { Exchange, Handler } from './exchange.ts';
import { UNSUPPORTED_VERSION } from './error-number.ts';

/** Listed, and refused when used: librdkafka takes brokers without them for older ones (Kafka does the same). */
const PRODUCE_LISTED_FROM = 0;

/** Answers what may be asked here: exactly what works, in exactly the versions that work. */
export function answerApiVersions(
  handlers: ReadonlyMap<number, Handler>,
  exchange: Exchange<typeof apiVersions>,
): void {
  exchange.answer(versionsOf(handlers));
}

/** The answer to a version of ApiVersions that is not served: which ones are. In version 0. */
export function unsupportedVersions(handlers: ReadonlyMap<number, Handler>): ApiVersionsResponse {
  return { ...versionsOf(handlers), errorCode: UNSUPPORTED_VERSION };
}

function versionsOf(handlers: ReadonlyMap<number, Handler>): ApiVersionsResponse {
  const apiKeys = [...handlers.values()].map(({ api }) => ({
    apiKey: api.key,
    minVersion: api.key === produce.key ? PRODUCE_LISTED_FROM : api.versions[0],
    maxVersion: api.versions[1],
  }));
  return { errorCode: 0, apiKeys: apiKeys.toSorted((a, b) => a.apiKey - b.apiKey), finalizedFeaturesEpoch: 0 };
}
