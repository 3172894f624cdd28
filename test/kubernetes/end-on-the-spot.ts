import type { Release } from './release.ts';

/**
 * Ends a pod's process without a line of it being run any more. A container's first process cannot be killed from within;
 * but Node opens its inspector when it is told to, and that can end it.
 */
export function endOnTheSpot(pod: string, release: Release): void {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises';
    process.kill(1, 'SIGUSR1');
    // It tells nobody when its inspector listens.
    const look = () => fetch('http://127.0.0.1:9229/json').then((answer) => answer.json());
    let pages;
    for (let i = 0; pages === undefined; i++) {
      pages = await look().catch((error) => (i < 50 ? sleep(100) : Promise.reject(error)));
    }
    const inspector = new WebSocket(pages[0].webSocketDebuggerUrl);
    // What ends with less of a bang waits for whoever is connected to leave.
    const params = { expression: 'process.abort()' };
    inspector.onopen = () => inspector.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params }));
    await new Promise((resolve) => (inspector.onclose = resolve));`;
  const { stdout, stderr } = release.tryKubectl('exec', pod, '--', 'node', '--input-type=module', '-e', script);
  // With the container goes who was in it: how that ends is anybody's guess.
  if (/Error/.test(stdout + stderr)) throw new Error(`${pod} cannot be ended: ${stdout}${stderr}`);
}

/** Deletes a pod without the time that it would have to stop; whoever replaces it does so at once. */
export function deleteAtOnce(pod: string, release: Release): void {
  release.kubectl('delete', 'pod', pod, '--grace-period=0', '--force', '--wait=false');
}
