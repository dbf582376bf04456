/** A route of the cluster under its own name and under the short one that scripts use, each with the id of its operation. */
export const routesOf = (name: string, operationId: string) => [[`/api/v1/cluster/${name}`, operationId], [`/cluster/${name}`, `${operationId}Alias`]] as const;
