/* A Vulkan layer that makes a sound driver fail, for scripts/gpu_faults.py.
 *
 * GATEWRIGHT_FAULT=KIND:N fails from the Nth call on that the kind is about, until another device is made:
 *   memory   vkAllocateMemory          out of device memory
 *   submit   vkQueueSubmit             device lost, and with it every later wait
 *   wait     vkWaitSemaphores, fences  device lost
 *   hang     vkWaitSemaphores, fences  never done: timed out at once; waits that have no limit do not return
 *   idle     vkCmdCopyBuffer           left out: the device is given work and does nothing
 *
 * GATEWRIGHT_DRIVER=KIND makes it another driver than it is:
 *   small    images of 2048 and 2 color attachments, as of a small GPU
 *   weak     workgroups of 128 lanes
 *   narrow   subgroups of 2 lanes at least
 *   old      conforms to version 0.0 of the standard
 *   slow     every wait takes 0.6 s; how many submissions there were is told on stderr in the end
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define LAYER __attribute__((visibility("default"))) VKAPI_ATTR

static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;
/* One driver, so one set of its functions. */
static PFN_vkAllocateMemory next_allocate;
static PFN_vkQueueSubmit next_submit;
static PFN_vkQueueWaitIdle next_idle;
static PFN_vkWaitForFences next_fences;
static PFN_vkWaitSemaphores next_semaphores;
static PFN_vkCmdCopyBuffer next_copy;
static PFN_vkGetPhysicalDeviceProperties next_properties;
static PFN_vkGetPhysicalDeviceProperties2 next_properties_2;
static atomic_int calls, is_failing, is_spent, submissions;

static int is_driver(const char *kind) {
    const char *driver = getenv("GATEWRIGHT_DRIVER");
    return driver && !strcmp(driver, kind);
}

static __attribute__((destructor)) void tell(void) {
    if (is_driver("slow")) fprintf(stderr, "submissions %d\n", submissions);
}

/* Whether this call, if the fault is of this kind, is one to fail. */
static int fails(const char *kind) {
    const char *fault = getenv("GATEWRIGHT_FAULT");
    size_t length = strlen(kind);
    if (!fault || strncmp(fault, kind, length) || fault[length] != ':' || is_spent) return 0;
    if (atomic_fetch_add(&calls, 1) + 1 >= atoi(fault + length + 1)) is_failing = 1;
    return is_failing;
}

static VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo *info,
                                               const VkAllocationCallbacks *with, VkDeviceMemory *memory) {
    return fails("memory") ? VK_ERROR_OUT_OF_DEVICE_MEMORY : next_allocate(device, info, with, memory);
}

static VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence) {
    atomic_fetch_add(&submissions, 1);
    return fails("submit") ? VK_ERROR_DEVICE_LOST : next_submit(queue, count, infos, fence);
}

/* What a wait gives that fails, or VK_SUCCESS. */
static VkResult failed_wait(void) {
    if (fails("hang")) return VK_TIMEOUT;
    const char *fault = getenv("GATEWRIGHT_FAULT");
    int is_lost = fault && !strncmp(fault, "submit:", 7) && is_failing;
    return is_lost || fails("wait") ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL semaphores(VkDevice device, const VkSemaphoreWaitInfo *info, uint64_t limit) {
    VkResult failed = failed_wait();
    if (failed == VK_TIMEOUT) return failed;
    if (is_driver("slow")) usleep(600000);
    /* What is lost is at rest, or the sound driver would work on in memory that is given back. */
    VkResult result = next_semaphores(device, info, failed ? UINT64_MAX : limit);
    return failed ? failed : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL fences(VkDevice device, uint32_t count, const VkFence *fences, VkBool32 all,
                                             uint64_t limit) {
    VkResult failed = failed_wait();
    if (failed == VK_TIMEOUT) return failed;
    if (is_driver("slow")) usleep(600000);
    VkResult result = next_fences(device, count, fences, all, failed ? UINT64_MAX : limit);
    return failed ? failed : result;
}

static VKAPI_ATTR VkResult VKAPI_CALL idle(VkQueue queue) {
    const char *fault = getenv("GATEWRIGHT_FAULT");
    if (is_failing && fault && !strncmp(fault, "hang:", 5)) {
        for (;;) pause();
    }
    VkResult result = next_idle(queue);
    return is_failing && fault && strncmp(fault, "memory:", 7) ? VK_ERROR_DEVICE_LOST : result;
}

static VKAPI_ATTR void VKAPI_CALL copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count,
                                       const VkBufferCopy *regions) {
    if (!fails("idle")) next_copy(commands, from, to, count, regions);
}

static void change_limits(VkPhysicalDeviceLimits *limits) {
    if (is_driver("small")) {
        limits->maxImageDimension1D = limits->maxImageDimension2D = 2048;
        limits->maxColorAttachments = limits->maxFragmentOutputAttachments = 2;
    }
    if (is_driver("weak")) limits->maxComputeWorkGroupInvocations = limits->maxComputeWorkGroupSize[0] = 128;
}

static VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice physical, VkPhysicalDeviceProperties *told) {
    next_properties(physical, told);
    change_limits(&told->limits);
}

static VKAPI_ATTR void VKAPI_CALL properties_2(VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *told) {
    next_properties_2(physical, told);
    change_limits(&told->properties.limits);
    for (VkBaseOutStructure *more = told->pNext; more; more = more->pNext) {
        if (more->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES && is_driver("old"))
            memset(&((VkPhysicalDeviceDriverProperties *)more)->conformanceVersion, 0, sizeof(VkConformanceVersion));
        if (more->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES && is_driver("narrow"))
            ((VkPhysicalDeviceSubgroupSizeControlProperties *)more)->minSubgroupSize = 2;
    }
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *with, VkDevice *device) {
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
    while (link->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)
        link = (VkLayerDeviceCreateInfo *)link->pNext;
    PFN_vkGetInstanceProcAddr instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)instance_proc(VK_NULL_HANDLE, "vkCreateDevice");
    VkResult result = create(physical, info, with, device);
    if (result) return result;
    if (is_failing) is_spent = 1;
    is_failing = 0;
#define NEXT(name) (PFN_vk##name) next_device_proc(*device, "vk" #name)
    next_allocate = NEXT(AllocateMemory);
    next_submit = NEXT(QueueSubmit);
    next_idle = NEXT(QueueWaitIdle);
    next_fences = NEXT(WaitForFences);
    next_copy = NEXT(CmdCopyBuffer);
    next_semaphores = NEXT(WaitSemaphores);
    if (!next_semaphores) next_semaphores = (PFN_vkWaitSemaphores)next_device_proc(*device, "vkWaitSemaphoresKHR");
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *with, VkInstance *instance) {
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
    while (link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)
        link = (VkLayerInstanceCreateInfo *)link->pNext;
    next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)next_instance_proc(VK_NULL_HANDLE, "vkCreateInstance");
    VkResult result = create(info, with, instance);
    if (result) return result;
    /* Asked for later, the loader would give our own. */
#define NEXT_OF_INSTANCE(name) (PFN_vk##name) next_instance_proc(*instance, "vk" #name)
    next_properties = NEXT_OF_INSTANCE(GetPhysicalDeviceProperties);
    next_properties_2 = NEXT_OF_INSTANCE(GetPhysicalDeviceProperties2);
    return VK_SUCCESS;
}

static PFN_vkVoidFunction ours(const char *name) {
    struct {
        const char *name;
        void *function;
    } all[] = {
        {"vkCreateInstance", create_instance}, {"vkCreateDevice", create_device},
        {"vkAllocateMemory", allocate},        {"vkQueueSubmit", submit},
        {"vkQueueWaitIdle", idle},             {"vkWaitForFences", fences},
        {"vkWaitSemaphores", semaphores},      {"vkWaitSemaphoresKHR", semaphores},
        {"vkCmdCopyBuffer", copy},             {"vkGetPhysicalDeviceProperties", properties},
        {"vkGetPhysicalDeviceProperties2", properties_2},
        {"vkGetPhysicalDeviceProperties2KHR", properties_2},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(name, all[i].name)) return (PFN_vkVoidFunction)all[i].function;
    return NULL;
}

LAYER PFN_vkVoidFunction VKAPI_CALL vkGetDeviceProcAddr(VkDevice device, const char *name) {
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)vkGetDeviceProcAddr;
    PFN_vkVoidFunction function = ours(name);
    return function ? function : next_device_proc(device, name);
}

LAYER PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance, const char *name) {
    if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)vkGetInstanceProcAddr;
    if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)vkGetDeviceProcAddr;
    PFN_vkVoidFunction function = ours(name);
    return function ? function : next_instance_proc(instance, name);
}
