import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { Client, ConnectionState, JoinOutcome, Message, Topic, TopicOptions } from "./index.js";
import { type Presence, watchPresence } from "./presence.js";

const CLOSED: ConnectionState = { status: "closed" };
const NO_MEMBERS: Presence = { count: 0, members: [], more: false, joined: [], left: [] };

/** Returns the state of the connection. On a server it is `closed`. */
export function useConnection(client: Client): ConnectionState {
  const subscribe = useMemo(() => (notify: () => void) => client.on("state", notify), [client]);
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => CLOSED,
  );
}

export interface UseTopicOptions<T, S> extends TopicOptions<T, S> {
  /** Maximum number of messages that are kept: the latest ones. Default: 100. */
  readonly limit?: number;
}

/** Topic as a component sees it. */
export interface TopicView<T, S> {
  /** Latest messages, oldest first, since the state or the subscription. */
  readonly messages: readonly Message<T>[];
  /** State of `getState`; undefined until it is loaded. */
  readonly state: S | undefined;
  /** Result of the last join; undefined before the first one. */
  readonly joined: JoinOutcome | undefined;
  /** Last error: a refused join, or a failed state or message. */
  readonly error: Error | undefined;
  readonly publish: Topic<T, S>["publish"];
}

/** Store whose value React reads. */
interface ViewStore<V> {
  readonly subscribe: (notify: () => void) => () => void;
  readonly read: () => V;
}

/** Makes a store that is filled while it has subscribers. `fill` returns a function that ends this. */
function createStore<V>(initial: V, fill: (update: (change: (value: V) => V) => void) => () => void): ViewStore<V> {
  let value = initial;
  let empty: (() => void) | undefined;
  const listeners = new Set<() => void>();
  return {
    read: () => value,
    subscribe(notify) {
      const call = (): void => notify();
      listeners.add(call);
      if (listeners.size === 1) {
        value = initial;
        empty = fill((change) => {
          value = change(value);
          for (const listener of listeners) listener();
        });
      }
      return () => {
        listeners.delete(call);
        if (listeners.size === 0) empty?.();
      };
    },
  };
}

/**
 * Subscribes to a topic while the component is mounted. Options may be new objects in each render: the functions of the
 * last render are called. A change of the client or the name is another subscription.
 */
export function useTopic<T = unknown, S = unknown>(
  client: Client,
  name: string,
  options: UseTopicOptions<T, S> = {},
): TopicView<T, S> {
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const { auth, bufferLimit, format, getState, hidden, parse } = options;
  const [hasState, hasParse, hasAuth] = [getState, parse, auth].map((callback) => callback !== undefined);
  const store = useMemo(() => {
    const topic = client.topic<T, S>(name, {
      ...(bufferLimit !== undefined && { bufferLimit }),
      ...(format !== undefined && { format }),
      ...(hidden !== undefined && { hidden }),
      ...(hasAuth && { auth: () => latest.current.auth?.() ?? "" }),
      ...(hasParse && {
        parse: (data) => {
          const { parse: check } = latest.current;
          return check ? check(data) : (data as T);
        },
      }),
      ...(hasState && { getState: (request) => latest.current.getState?.(request) as S }),
    });
    const initial: TopicView<T, S> = {
      messages: [],
      state: undefined,
      joined: undefined,
      error: undefined,
      publish: topic.publish,
    };
    return createStore(initial, (update) => {
      const stops = [
        topic.on("error", (error) => update((view) => ({ ...view, error }))),
        topic.on("joined", (joined) => update((view) => ({ ...view, joined, error: undefined }))),
        topic.on("state", (state) => update((view) => ({ ...view, state, messages: [] }))),
        topic.on("message", (message) => {
          const { limit = 100 } = latest.current;
          update((view) => ({ ...view, messages: [...view.messages, message].slice(-limit) }));
        }),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    });
  }, [client, name, bufferLimit, format, hidden, hasAuth, hasParse, hasState]);
  return useSyncExternalStore(store.subscribe, store.read, store.read);
}

/** Returns the members of a topic while the component is mounted, and before the first list nobody. */
export function usePresence(client: Client, name: string): Presence & { readonly error: Error | undefined } {
  const store = useMemo(() => {
    const initial: Presence & { readonly error: Error | undefined } = { ...NO_MEMBERS, error: undefined };
    return createStore(initial, (update) =>
      watchPresence(
        client.topic(name),
        (presence) => update(() => ({ ...presence, error: undefined })),
        (error) => update((value) => ({ ...value, error })),
      ),
    );
  }, [client, name]);
  return useSyncExternalStore(store.subscribe, store.read, store.read);
}
