/** The generated parts of the AsyncAPI document, by the names of their markers. */
export function asyncapiParts({ clientFrames, serverFrames, errorCodes, clientExamples, serverExamples }) {
  const schemas = {};
  const client = clientFrames.map((frame) => ({
    key: frame.message,
    message: messageOf(
      frame.wireType,
      frame,
      clientExamples(frame),
      rivalsOf(frame, clientFrames),
      { "x-errors": [...frame.errors] },
      schemas,
    ),
  }));
  const server = serverFrames.map((frame) => ({
    key: frame.type,
    message: messageOf(frame.type, frame, serverExamples(frame), [], {}, schemas),
  }));
  const messages = [...client, ...server];
  return {
    "channel messages": {
      messages: Object.fromEntries(messages.map(({ key }) => [key, reference(`components/messages/${key}`)])),
    },
    operations: { operations: operationsOf(clientFrames, serverFrames) },
    messages: { messages: Object.fromEntries(messages.map(({ key, message }) => [key, message])) },
    schemas,
    "error codes": { "x-error-codes": errorCodes },
  };
}

function reference(path) {
  return { $ref: `#/${path}` };
}

/** The fields that identify other frames with the same type on the wire. */
function rivalsOf(frame, frames) {
  return frames
    .filter(({ wireType, type }) => wireType === frame.wireType && type !== frame.type)
    .map(({ chosenBy }) => chosenBy);
}

function messageOf(wireType, { message, fields }, examples, rivals, more, schemas) {
  return {
    name: wireType,
    title: message ?? wireType,
    ...("ref" in fields ? { correlationId: reference("components/correlationIds/ref") } : {}),
    payload: {
      ...objectSchema({ type: { const: wireType } }, fields, schemas),
      ...(rivals.length === 0 ? {} : { not: { required: rivals } }),
    },
    ...more,
    examples: examples.map((payload) => ({ payload })),
  };
}

/** The schema of an object with these fields, preceded by its own required properties. */
function objectSchema(own, fields, schemas) {
  const described = Object.entries(fields);
  return {
    type: "object",
    required: [
      ...Object.keys(own),
      ...described.filter(([, { presence }]) => presence === "required").map(([name]) => name),
    ],
    properties: {
      ...own,
      ...Object.fromEntries(described.map(([name, field]) => [name, fieldSchema(field, schemas)])),
    },
  };
}

function fieldSchema({ kind, note, fallback }, schemas) {
  const schema = kindSchema(kind, schemas);
  // YAML tools ignore properties next to a `$ref`.
  if ("$ref" in schema) return schema;
  return {
    ...schema,
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(note === "" ? {} : { description: `${note}.` }),
  };
}

/** The schema of a kind; if the kind has a name, adds the schema to the named ones and returns a reference to it. */
function kindSchema(kind, schemas) {
  let schema = kind.schema;
  if (kind.fields !== undefined) schema = { ...schema, ...objectSchema({}, kind.fields, schemas) };
  if (kind.items !== undefined) schema = { ...schema, items: kindSchema(kind.items, schemas) };
  if (kind.schemaName === undefined) return schema;
  schemas[kind.schemaName] = schema;
  return reference(`components/schemas/${kind.schemaName}`);
}

function operationsOf(clientFrames, serverFrames) {
  const channel = reference("channels/connection");
  const channelMessage = (key) => reference(`channels/connection/messages/${key}`);
  const operations = {};
  for (const { operation, message, answer } of clientFrames) {
    const { name, ...text } = operation;
    operations[name] ??= {
      action: "receive",
      ...text,
      channel,
      messages: [],
      reply: { channel, messages: [channelMessage(answer), channelMessage("error")] },
    };
    operations[name].messages.push(channelMessage(message));
  }
  for (const { operation, type } of serverFrames) {
    if (operation === undefined) continue;
    const { name, ...text } = operation;
    operations[name] = { action: "send", ...text, channel, messages: [channelMessage(type)] };
  }
  return operations;
}
