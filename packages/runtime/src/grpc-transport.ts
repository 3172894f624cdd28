import type { Transport } from '@weir/base/transport.ts';
import { connect } from './grpc-client.ts';
import { listen } from './grpc-server.ts';

/** The network between services: gRPC over HTTP/2, in the clear until TLS exists. */
export const grpcTransport: Transport = { connect, listen };
