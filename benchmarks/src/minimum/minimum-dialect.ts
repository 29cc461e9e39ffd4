import type { Dialect } from "@cm/load";

/** The frames of the handwritten minimum. */
export const minimumDialect: Dialect = {
  subprotocol: undefined,
  path: (url) => url.pathname,
  createSession({ room }, port) {
    return {
      opened: () => port.send(`+${room}`),
      control(text) {
        if (text === `+${room}`) port.joined();
        else port.failed("frame-unknown");
      },
      publish: (payload) => `=${room}\n"${payload}"`,
    };
  },
};
