import type { ServiceKind } from '@weir/runtime/run-service.ts';
import type { Kind } from './plan.ts';

/** Loads the code of a kind of service. */
export async function loadServiceKind(kind: Kind): Promise<ServiceKind<any>> {
  switch (kind) {
    case 'coordinator':
      return (await import('@weir/coordinator/service.ts')).coordinator;
    case 'broker':
      return (await import('@weir/broker/service.ts')).broker;
    case 'gateway':
      return (await import('@weir/gateway/service.ts')).gateway;
  }
}
