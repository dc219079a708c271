import { CarillonError } from "../errors.js";
import { type Address, formatAddress } from "../util/address.js";

/**
 * @param name - of the setting
 * @returns where it listens, as HOST:PORT; undefined where nothing is to
 * @throws CarillonError failed_precondition
 */
export async function listenAt(
  name: string,
  wanted: Address | undefined,
  listener: { listen(): Promise<Address> } | undefined,
): Promise<string | undefined> {
  if (wanted === undefined || listener === undefined) return undefined;
  try {
    return formatAddress(await listener.listen());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `cannot listen on ${name} address ${formatAddress(wanted)}: ${reason}`;
    throw new CarillonError("failed_precondition", text, { cause });
  }
}
