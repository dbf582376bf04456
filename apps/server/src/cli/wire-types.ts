/** What the HTTP interface sends and takes, as far as the command line uses it. */
export interface Draft {
  readonly content: string;
  readonly memory_space?: string;
  readonly tags?: readonly string[];
  readonly confidence?: number;
  readonly when?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly id?: string;
}

export interface WireMemory {
  readonly id: string;
  readonly memory_space: string;
  readonly content: string;
  readonly tags: readonly string[];
  readonly confidence: number;
  readonly when: string;
  readonly stored_at: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly embedding?: readonly number[];
}

export interface Durability {
  readonly requested: string;
  readonly reached: string;
  readonly copies: number;
}

export interface StoredMemory extends WireMemory {
  readonly durability: Durability;
}

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly retryable?: boolean;
  readonly retry_after_ms?: number;
  readonly node?: string;
  readonly space?: string;
  readonly indeterminate?: boolean;
  readonly request_id?: string;
}

/** What became of one line of a streamed batch. */
export interface BatchLine {
  readonly line: number;
  readonly outcome: 'stored' | 'already_stored' | 'refused';
  readonly id?: string;
  readonly error?: WireError;
  /** On the last line at least: stands for all lines up to there. Absent on a node that runs alone. */
  readonly session?: string;
}

export interface ListPage {
  readonly memories: readonly WireMemory[];
  readonly next?: string;
}

export interface RecallRequest {
  readonly cue: { readonly text?: string; readonly tags?: readonly string[]; readonly after?: string; readonly before?: string };
  readonly spaces?: readonly string[] | '*';
  readonly limit?: number;
  readonly min_confidence?: number;
}

export interface RecallHit extends WireMemory {
  readonly score: number;
  readonly stated_confidence?: number;
  readonly parts?: Readonly<Record<string, number>>;
}

export interface RecallAnswer {
  readonly memories: readonly RecallHit[];
  readonly confidence: number;
  readonly partial: boolean;
  readonly missing: readonly { readonly partition: number; readonly space?: string; readonly node?: string; readonly reason: string }[];
  readonly penalty: number;
  readonly took_ms: number;
}

export interface SpaceSummary {
  readonly space: string;
  readonly memories: number;
  readonly forgotten: number;
  readonly bytes: number;
  readonly dimension?: number;
  readonly policy: { readonly ack?: string; readonly partition_policy?: string; readonly ttl?: string };
  readonly primary: string;
  readonly replicas: readonly string[];
}

export interface ClusterMember {
  readonly id: string;
  readonly state: 'alive' | 'suspect' | 'dead' | 'left';
  readonly self: boolean;
  readonly address?: string;
  readonly http?: string;
  readonly grpc?: string;
  readonly version?: string;
  readonly epoch: number;
  readonly incarnation: number;
  readonly changed_at: string;
}

export interface ClusterMembers {
  readonly mode: 'single' | 'distributed';
  readonly cluster?: string;
  readonly members: readonly ClusterMember[];
}

export interface ClusterInitialized {
  readonly cluster: string;
  readonly cluster_id: string;
  readonly created: boolean;
}

export interface ClusterHealth {
  readonly mode: 'single' | 'distributed';
  readonly cluster?: string;
  readonly cluster_id?: string;
  readonly state?: 'forming' | 'joined';
  readonly waiting_for?: string;
  readonly status: 'healthy' | 'degraded' | 'critical';
  readonly total_nodes: number;
  readonly alive_nodes: number;
  readonly suspect_nodes: number;
  readonly dead_nodes: number;
}

export interface NodeDuties {
  readonly node: string;
  readonly status: 'active' | 'draining' | 'drained' | 'done';
  readonly state: 'active' | 'draining' | 'decommissioning' | 'removed';
  readonly primaries: number;
  readonly copies: number;
  readonly eta_seconds?: number;
  readonly blocked_by: readonly string[];
}

export interface RebalanceStatus {
  readonly state: 'complete' | 'in_progress' | 'paused' | 'stuck';
  readonly partitions_moved: number;
  readonly partitions_remaining: number;
  readonly under_way: number;
  readonly eta_seconds?: number;
  readonly imbalance: number;
  readonly imbalance_planned: number;
  readonly blocked_by: readonly string[];
}

interface PlannedMove {
  readonly partition: number;
  readonly from?: string;
  readonly to: string;
}

export interface RebalancePlan {
  readonly copies: readonly PlannedMove[];
  readonly primaries: readonly PlannedMove[];
  readonly copies_total: number;
  readonly primaries_total: number;
  readonly imbalance: number;
  readonly imbalance_planned: number;
}

export interface DiscoveryHealth {
  readonly status: string;
  readonly endpoints: number;
  readonly sources: readonly {
    readonly source: string;
    readonly state: string;
    readonly total: number;
    readonly reachable: number;
    readonly last_refresh?: string;
    readonly last_error?: string;
  }[];
}

export interface SystemStatus {
  readonly node: string;
  readonly version: string;
  readonly status: 'healthy' | 'degraded' | 'failed' | 'no_quorum';
  readonly reasons: readonly string[];
  readonly uptime_ms: number;
  readonly memories: number;
  readonly spaces: number;
  readonly data_bytes: number;
  readonly data_directory: string;
  readonly log: { readonly state: string; readonly reason?: string; readonly segments: number; readonly bytes: number; readonly durable_lsn: number };
  /** Other nodes. */
  readonly peers: { readonly alive: number; readonly suspect: number; readonly dead: number; readonly left: number };
}
