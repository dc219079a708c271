import type { CommandContext } from "../../commands/command-context.js";
import type { VhostEvents } from "../../vhosts/vhosts.js";

/**
 * Events that bring changes of vhosts to their clients and topics.
 * @param servicesOf - called when something has changed: the services are made after the vhosts
 */
export function vhostEvents(
  servicesOf: () => Pick<CommandContext, "clients" | "review">,
): Pick<VhostEvents, "onChanged" | "onDeleted" | "onChannelRuled" | "onChannelClosed"> {
  return {
    onChanged: (vhost, before) => servicesOf().review.apply(vhost, { channel: undefined, before }),
    onDeleted: ({ name }) => servicesOf().clients.disconnectAll(name, "vhost_deleted"),
    onChannelRuled: (vhost, channel, rules) => {
      const before = { exists: () => true, rulesFor: () => rules, ruleMatchers: vhost.ruleMatchers };
      return servicesOf().review.apply(vhost, { channel, before });
    },
    onChannelClosed: (vhost, channel) => servicesOf().review.apply(vhost, { channel, before: undefined }),
  };
}
