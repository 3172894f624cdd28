import { clusterScenarios } from '../harness/cluster-scenarios.ts';
import { processes } from '../harness/process-cluster.ts';

clusterScenarios(processes);
