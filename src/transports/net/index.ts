export { ipcTransport } from './ipc.ts';
export { tcpTransport, tlsTransport } from './tcp.ts';
