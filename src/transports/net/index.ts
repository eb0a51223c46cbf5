export { ipcTransport } from './ipc.ts';
export { tcpTransport } from './tcp.ts';
