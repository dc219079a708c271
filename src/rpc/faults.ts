/** Told of an error that is no refusal but a fault of ours; its text does not go to the caller. */
export type OnFault = (cause: unknown) => void;
