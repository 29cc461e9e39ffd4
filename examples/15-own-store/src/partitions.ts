/** Number of partitions of rooms, and also of users: the same in the hub and in all stores. */
export const PARTITIONS = 8;
