import { expect, test } from 'vitest';
import { banner } from './banner.ts';
import type { LaunchedService } from './launcher.ts';
import type { Kind } from './plan.ts';

const ABOUT = { dataDirectory: '.weir', seconds: 0.42 };

function launched(kind: Kind, id: string, addresses: Record<string, string>): LaunchedService {
  const plan = { kind, id, args: [kind] };
  return { plan, pid: 1, addresses, notReady: () => undefined, stop: () => Promise.resolve() };
}

function bannerWith(kafka: string, grpc = '127.0.0.1:7070'): string {
  const services = [
    launched('coordinator', '1', { grpc, ops: '127.0.0.1:7079' }),
    launched('broker', '1', { kafka, grpc: '127.0.0.1:7071', ops: '127.0.0.1:7080' }),
    launched('broker', '2', { kafka: '127.0.0.1:41001', grpc: '127.0.0.1:41002', ops: '127.0.0.1:41003' }),
    launched('gateway', 'gw-1', { http: '127.0.0.1:8080', ops: '127.0.0.1:8081' }),
  ];
  return banner(services, ABOUT, { colour: false });
}

test('the banner says where everything is', () => {
  expect(bannerWith('127.0.0.1:9092')).toContain(`Weir is ready after 0.4 s. Its data is in .weir

  coordinator 1  grpc 127.0.0.1:7070                          http://127.0.0.1:7079/metrics
  broker 1       kafka 127.0.0.1:9092  grpc 127.0.0.1:7071    http://127.0.0.1:7080/metrics
  broker 2       kafka 127.0.0.1:41001  grpc 127.0.0.1:41002  http://127.0.0.1:41003/metrics
  gateway gw-1   http://127.0.0.1:8080                        http://127.0.0.1:8081/metrics
`);
});

test('it has lines to copy for HTTP, for the command line, and for a Kafka client', () => {
  const text = bannerWith('127.0.0.1:9092');
  expect(text).toContain("\n  curl 'http://127.0.0.1:8080/v1/topics/demo/records?offset=0'\n");
  expect(text).toContain("\n  echo 'a line' | ./bin/weir produce demo\n");
  expect(text).toContain('\n  kcat -b 127.0.0.1:9092 -L\n');
  expect(bannerWith('127.0.0.1:9092', '127.0.0.1:4711')).toContain('produce demo --coordinators 127.0.0.1:4711\n');
});

test('of several listeners it names the first one to copy', () => {
  expect(bannerWith('here=127.0.0.1:9092,there=10.0.0.1:9093')).toContain('\n  kcat -b 127.0.0.1:9092 -L\n');
});
