export { Broadcast } from './broadcast.ts';
export { Delivery } from './delivery.ts';
export { everybody, Namespace, type NamespaceOptions, type Seat } from './namespace.ts';
