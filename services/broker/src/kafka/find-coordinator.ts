import type { findCoordinator } from '@weir/kafka/apis/find-coordinator.ts';
import { COORDINATOR_NOT_AVAILABLE } from './error-number.ts';
import type { Exchange } from './exchange.ts';

const BATCHED_FROM = 4;
const NONE = { nodeId: -1, host: '', port: -1, errorCode: COORDINATOR_NOT_AVAILABLE };
const WHY = 'consumer groups and transactions are not built yet';

/** There are no groups yet, and no transactions: clients are told to try again later, and do. */
export function answerFindCoordinator(exchange: Exchange<typeof findCoordinator>): void {
  const { request, version } = exchange;
  if (version < BATCHED_FROM) return exchange.answer({ ...NONE, throttleTimeMs: 0, errorMessage: WHY });
  const coordinators = request.coordinatorKeys.map((key) => ({ key, ...NONE, errorMessage: WHY }));
  exchange.answer({ throttleTimeMs: 0, coordinators });
}
