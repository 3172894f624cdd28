import { refusal, WeirError } from '@weir/base/errors.ts';
import type { Refusal } from '@weir/base/errors.ts';
import type { Coordinator } from '../coordinator.ts';

/** Who may answer clients here: the active coordinator, while this process has it and its tenure holds. */
export interface Office {
  readonly active: Coordinator | undefined;
  /** Why there is none, and where it is instead. */
  notActive(): NotActive;
}

/** A refusal of who is not the active coordinator. */
export interface NotActive extends Refusal {
  /** host:port of the active one; empty when none is known. */
  readonly activeAddress: string;
}

/** Of a coordinator that was the active one, to whom it answered then. */
export const NOT_CONFIRMED: Refusal = refusal(
  'NOT_CONTROLLER',
  'the coordinator cannot confirm that it still is the active one',
);

/** @throws WeirError NOT_CONTROLLER when this is not the active coordinator: nothing was done */
export function activeIn(office: Office): Coordinator {
  const { active } = office;
  if (active !== undefined) return active;
  const { code, message } = office.notActive();
  throw new WeirError(code, message);
}
