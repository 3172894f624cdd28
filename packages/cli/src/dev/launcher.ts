import type { ServicePlan } from './plan.ts';

/** A service that has started. */
export interface LaunchedService {
  readonly plan: ServicePlan;
  readonly pid: number;
  /** host:port by "grpc", "http" and "ops". */
  readonly addresses: Readonly<Record<string, string>>;
  /** Why it is not ready for traffic, or undefined. */
  notReady(): string | undefined;
  /** Lets it finish and waits until it is gone. */
  stop(): Promise<void>;
}

/** Starts services: in this process, or each as a process of its own. */
export interface Launcher {
  /** @throws Error (as a rejection) that says why it does not start */
  launch(plan: ServicePlan): Promise<LaunchedService>;
  /** Lets go of what the services shared, once they have stopped. */
  close(): Promise<void>;
}
