/** The kinds of entity and the fields that name one. */
export const entityKinds = {
  host: ["host.name", "host.hostname"],
  user: ["user.name", "user.target.name"],
  ip: ["source.ip", "destination.ip", "host.ip"],
} as const;

export type EntityKind = keyof typeof entityKinds;

/** The kind of entity that a field names, if any. */
export function entityKind(field: string): EntityKind | undefined {
  return (Object.keys(entityKinds) as EntityKind[]).find((k) =>
    (entityKinds[k] as readonly string[]).includes(field),
  );
}

export const isKind = (kind: string): kind is EntityKind => kind in entityKinds;

/** The page of the entity that a value names. */
export function entityPath(field: string, value: string): string {
  return `/entities/${entityKind(field) ?? "host"}:${encodeURIComponent(value)}`;
}
